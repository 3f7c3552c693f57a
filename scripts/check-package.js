// Checks the tarball as its users get it: what is in it, that every entry point can be imported, required and compiled
// against in an empty project, and that the first program of the README works there as it stands.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EmptyProject } from './empty-project.js';

/** The strictest that a user may have; with skipLibCheck off, types of packages that we do not install show. */
const STRICT = {
  target: 'es2022',
  module: 'nodenext',
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  verbatimModuleSyntax: true,
  skipLibCheck: false,
  noEmit: true,
};
const MUST_HAVE = [
  'LICENSE',
  'README.md',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'docs/decisions.md',
  'docs/faults.md',
  'docs/options.md',
  'package.json',
  'dist/agent.bundle',
  'dist/index.js',
];
const MAY_HAVE = /^dist\/.+\.(js|d\.ts)$/;
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall'];

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

/** @param {string} what @param {readonly string[]} problems */
function report(what, problems) {
  console.log(`${problems.length === 0 ? 'ok    ' : 'FAILED'} ${what}`);
  for (const problem of problems) console.log(`  ${problem.trimEnd().replaceAll('\n', '\n  ')}`);
  if (problems.length > 0) process.exitCode = 1;
}

/** @param {string} what @param {import('./empty-project.js').Run} run */
function reportRun(what, { failure, stdout, stderr }) {
  report(what, failure === undefined ? [] : [failure, stdout, stderr].filter(text => text !== ''));
}

/** @param {string} bin @param {readonly string[]} args */
function runTool(bin, args) {
  const { status, stdout, stderr, error } = spawnSync(join('node_modules', '.bin', bin), args, { encoding: 'utf8' });
  if (error) throw error;
  report([bin, ...args].join(' '), status === 0 ? [] : [stdout, stderr].filter(text => text !== ''));
}

/** @param {string} installed */
function checkContents(installed) {
  const files = readdirSync(installed, { recursive: true, withFileTypes: true })
    .filter(entry => !entry.isDirectory())
    .map(entry => join(entry.parentPath, entry.name).slice(installed.length + 1))
    .filter(path => !path.startsWith('node_modules/'));
  report('the tarball holds what it should and nothing else', [
    ...MUST_HAVE.filter(path => !files.includes(path)).map(path => `${path} is missing`),
    ...files.filter(path => !MUST_HAVE.includes(path) && !MAY_HAVE.test(path)).map(path => `${path} does not belong`),
  ]);
}

/** The first block of TypeScript in the README. */
function firstProgram() {
  const block = /^```ts\n(.*?)^```$/ms.exec(readFileSync('README.md', 'utf8'))?.[1];
  if (block === undefined) throw new Error('README.md has no ```ts block: its first one is run here, as users do');
  return block;
}

const project = new EmptyProject();
try {
  const installed = join(project.folder, 'node_modules', 'drone-task-queue');
  const { exports: entries, scripts = {} } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  const specifiers = Object.keys(entries)
    .filter(key => key !== './package.json')
    .map(key => join('drone-task-queue', key));

  checkContents(installed);
  const atInstall = INSTALL_SCRIPTS.filter(name => name in scripts).map(name => `it has a script "${name}"`);
  report('nothing runs at install', atInstall);
  runTool('publint', ['run', project.tarball, '--strict']);
  runTool('attw', [project.tarball, '--profile', 'esm-only']);

  for (const specifier of specifiers) {
    const imported = `if (Object.keys(await import('${specifier}')).length === 0) throw new Error('exports nothing')`;
    reportRun(`import ${specifier}`, project.node(['--input-type=module', '-e', imported]));
    const required = `if (Object.keys(require('${specifier}')).length === 0) throw new Error('exports nothing')`;
    reportRun(`require ${specifier}`, project.node(['--input-type=commonjs', '-e', required]));
  }

  const consumer = specifiers.map((specifier, index) => `import * as entry${String(index)} from '${specifier}';\n`);
  const used = specifiers.map((_, index) => `entry${String(index)}`).join(', ');
  project.write('consumer.ts', `${consumer.join('')}console.log([${used}].length);\n`);
  project.write('readme.ts', firstProgram());
  project.write('tsconfig.json', JSON.stringify({ compilerOptions: STRICT, files: ['consumer.ts', 'readme.ts'] }));
  reportRun('compile against every entry point', project.node(['node_modules/typescript/bin/tsc', '-p', '.']));
  reportRun('run drone-shard', project.node([join('node_modules', '.bin', 'drone-shard'), '--help']));
  reportRun('run the first program of the README', project.node(['--import=tsx', 'readme.ts']));
} finally {
  project.remove();
}
