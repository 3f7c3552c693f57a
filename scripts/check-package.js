// Checks the tarball as its users get it: what is in it, that every entry point can be imported, required and compiled
// against in an empty project, and that the examples and the programs of README and docs work there as they stand.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { docPrograms } from './doc-blocks.js';
import { EmptyProject } from './empty-project.js';
import { markdownPages } from './markdown.js';
import { exampleNames, problemOfExample } from './run-examples.js';
import { runPrograms } from './run-programs.js';

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
/** The oldest that the README promises. */
const OLDEST_TYPESCRIPT = 'oldest-typescript@npm:typescript@5.7';
const EXAMPLES = exampleNames();
const MUST_HAVE = [
  ...EXAMPLES.flatMap(name => [`examples/${name}.ts`, `dist/examples/${name}.js`]),
  'LICENSE',
  ...markdownPages().filter(page => page !== 'CONTRIBUTING.md'),
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

const project = new EmptyProject([OLDEST_TYPESCRIPT]);
try {
  const installed = join(project.folder, 'node_modules', 'drone-task-queue');
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  const { exports: entries, scripts = {} } = manifest;
  const specifiers = Object.keys(entries)
    .filter(key => key !== './package.json')
    .map(key => join('drone-task-queue', key));

  checkContents(installed);
  const atInstall = INSTALL_SCRIPTS.filter(name => name in scripts).map(name => `it has a script "${name}"`);
  report('nothing runs at install', atInstall);
  const missing = ['repository', 'homepage', 'bugs'].filter(name => !(name in manifest)).map(name => `no "${name}"`);
  report('package.json says where the project lives', missing);
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
  const copies = EXAMPLES.map(name => `${name}.ts`);
  for (const name of copies) project.write(name, readFileSync(join(installed, 'examples', name), 'utf8'));
  const programs = docPrograms().map(({ title, text }) => ({ name: `${title.replace(/\W/g, '_')}.ts`, text }));
  for (const { name, text } of programs) project.write(name, text);
  const files = ['consumer.ts', ...copies, ...programs.map(({ name }) => name)];
  project.write('tsconfig.json', JSON.stringify({ compilerOptions: STRICT, files }));
  for (const compiler of ['typescript', 'oldest-typescript']) {
    const run = project.node([`node_modules/${compiler}/bin/tsc`, '-p', '.']);
    reportRun(`compile against every entry point, the examples and programs, with ${compiler}`, run);
  }
  reportRun('run drone-shard', project.node([join('node_modules', '.bin', 'drone-shard'), '--help']));
  for (const name of EXAMPLES) {
    const problem = problemOfExample(project, name);
    report(`run the example ${name}`, problem === undefined ? [] : [problem]);
  }
  await runPrograms(project, [], (title, problem) =>
    report(`run the program ${title}`, problem === undefined ? [] : [problem]),
  );
} finally {
  project.remove();
}
