// Type-checks src/ and every other directory that has a tsconfig.json of its own. Needs dist/: outside of src/ the package
// is imported as its users do.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { withBlocks } from './doc-blocks.js';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

/** tsc takes an empty project for an error. @param {string} folder */
function hasSources(folder) {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).some(path => /\.(ts|js)$/.test(path));
}

const folders = readdirSync('.').filter(name => existsSync(`${name}/tsconfig.json`) && hasSources(name));
/** @param {string} folder @param {string} title */
function check(folder, title) {
  const { status, error } = spawnSync('node_modules/.bin/tsc', ['-p', folder, '--noEmit'], { stdio: 'inherit' });
  if (error) throw error;
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${title}`);
  if (status !== 0) process.exitCode = 1;
}

check('.', 'src');
for (const folder of folders) check(folder, folder);
withBlocks(folder => check(folder, 'blocks of the docs'));
