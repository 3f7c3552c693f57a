/** Utility modules with faults are refused before anything is sent; those in TypeScript are bundled. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { pathToFileURL } from 'node:url';
import { events, LocalDrone } from 'drone-task-queue';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { failureOf } from './rejections.js';
import { Witness } from './witness.js';

interface Own {
  add(a: number, b: number): Promise<number>;
}

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drone-own-modules-'));
});
after(() => rm(folder, { recursive: true }));
leakCheck();

async function fileOf(name: string, ...lines: string[]): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, lines.join('\n'));
  return path;
}

const FAULTS = [
  {
    what: 'does not parse',
    file: 'typed.mjs',
    lines: ['const one = 1;', 'export function add(a: number) {}'],
    says: /typed\.mjs:2 does not parse: \S/,
  },
  {
    what: 'imports a file',
    file: 'importing.mjs',
    lines: [
      "import { readFile } from 'node:fs/promises';",
      '',
      "import { one } from './one.mjs';",
      'export { readFile, one };',
    ],
    says: /importing\.mjs:3 imports '\.\/one\.mjs', which is not sent with it: .* npx esbuild \S+importing\.mjs --bundle/,
  },
  {
    what: 'exports from a package',
    file: 'exporting.mjs',
    lines: ["export * from 'leven';"],
    says: /exporting\.mjs:1 imports 'leven', which is not sent with it: /,
  },
  {
    what: 'is TypeScript that does not parse',
    file: 'broken.ts',
    lines: ['export function add(a: number {', '}'],
    says: /broken\.ts:1 cannot be bundled: \S/,
  },
];

for (const make of queues) {
  for (const { what, file, lines, says } of FAULTS) {
    test(`${make.name}: a module that ${what} fails with file and line, before anything is sent`, async () => {
      using opened = new Witness(events.linkOpen);
      await using queue = make();
      const utility = pathToFileURL(await fileOf(file, ...lines));
      const drones = [new LocalDrone<Own>({ utility }), new LocalDrone<Own>({ utility })];
      const calls = drones.map(drone => drone.queueCall('add', 1, 2));
      const round = await queue.settle(drones);
      for (const [at, drone] of drones.entries()) {
        const failure = failureOf(round, drone);
        assert.deepEqual([failure.kind, failure.phase, failure.notStarted], ['bootstrap', 'waiting', [calls[at]]]);
        assert.equal((failure.cause as { code?: unknown }).code, 'ERR_UTILITY_MODULE');
        assert.match(failure.message, says);
        assert.deepEqual(drone.getCalls(), [calls[at]]);
      }
      assert.equal(opened.seen.length, 0);
    });
  }

  test(`${make.name}: a module in TypeScript works with what it imports, and anew when that changes`, async () => {
    const helper = ['export const by: number = 1;'];
    await fileOf('helper.ts', ...helper);
    const module = await fileOf(
      `own-${make.name}.ts`,
      "import { by } from './helper.ts';",
      'interface Sum { readonly of: number }',
      'export function add(a: number, b: number): number {',
      '  const sum: Sum = { of: a + b };',
      '  return sum.of * by;',
      '}',
    );
    const utility = pathToFileURL(module);
    {
      await using queue = make();
      assert.equal(await queue.call(new LocalDrone<Own>({ utility }), 'add', 1, 2), 3);
    }
    await fileOf('helper.ts', 'export const by: number = 100;');
    await using queue = make();
    assert.equal(await queue.call(new LocalDrone<Own>({ utility }), 'add', 1, 2), 300);
  });

  test(`${make.name}: an import that fails on the drone names the module, and not its text`, async () => {
    await using queue = make();
    const utility = pathToFileURL(await fileOf('late.mjs', "export const add = () => import('./missing.mjs');"));
    const drone = new LocalDrone<Own>({ utility });
    const call = drone.queueCall('add', 1, 2);
    const failure = failureOf(await queue.settle([drone]), drone);
    assert.deepEqual([failure.kind, failure.call], ['call', call]);
    assert.match(failure.message, /\.\/missing\.mjs.*utility:late\.mjs/);
    assert(!failure.message.includes('base64'), failure.message);
  });
}
