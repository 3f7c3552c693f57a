/** What a utility module needs of the machine that sends it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { readUtilityModule } from '../../../src/queue/thread/utility-source.js';
import { runWithPackagesOnly } from '../../support/lacking-packages.js';

test('without the package esbuild a module in TypeScript has the command and the recipe, and one in JavaScript works', async () => {
  const { stdout } = await runWithPackagesOnly(
    ['tslib'],
    `import { LocalDrone, DroneTaskQueue } from 'drone-task-queue';
     import { writeFileSync } from 'node:fs';
     const queue = new DroneTaskQueue();
     for (const name of ['own.ts', 'own.mjs']) {
       const utility = new URL(name, import.meta.url);
       writeFileSync(utility, 'export const one = () => 1;');
       await queue.call(new LocalDrone({ utility }), 'one').then(
         value => console.log(value),
         ({ kind, cause }) => console.log(kind, cause.code, cause.message.replaceAll(/\\S*own/g, 'own')),
       );
     }
     await queue.close();`,
  );
  assert.equal(
    stdout,
    'bootstrap ERR_PACKAGE_MISSING the utility module own.ts, in TypeScript, needs the package esbuild: npm install esbuild; ' +
      'or pass the URL of a bundle, made for example with npx esbuild own.ts --bundle --platform=node --format=esm --outfile=utility.mjs\n' +
      '1\n',
  );
});

test('a data: URL is checked, too, and what Node itself has may be imported', async () => {
  const own = "import { join } from 'path'; import 'node:os'; export const one = () => join('a', 'b');";
  assert.equal(await readUtilityModule(`data:text/javascript,${encodeURIComponent(own)}`), own);
  await assert.rejects(readUtilityModule('data:text/javascript,export%20const%20%3D'), {
    kind: 'bootstrap',
    code: 'ERR_UTILITY_MODULE',
    message: /^the utility module in a data: URL:1 does not parse: /,
  });
});

test('a file that cannot be read fails with its path, and the code of the system', async () => {
  const missing = new URL('no such module.mjs', import.meta.url);
  await assert.rejects(readUtilityModule(missing.href), {
    kind: 'bootstrap',
    code: 'ENOENT',
    message: `cannot read the utility module ${fileURLToPath(missing)}: no such file or directory (ENOENT)`,
  });
  const folder = new URL('.', import.meta.url);
  await assert.rejects(readUtilityModule(folder.href), {
    code: 'EISDIR',
    message: `cannot read the utility module ${fileURLToPath(folder)}: illegal operation on a directory (EISDIR)`,
  });
});

test('an import in a comment or a string is none', async () => {
  const own = "// import './a.mjs'\nexport const text = \"import './b.mjs'\";";
  assert.equal(await readUtilityModule(`data:text/javascript,${encodeURIComponent(own)}`), own);
});
