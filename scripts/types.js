// Type-checks src/ and every other folder that has a tsconfig.json of its own. Needs dist/: outside of src/ the package
// is imported as its users do.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

/** tsc takes an empty project for an error. @param {string} folder */
function hasSources(folder) {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).some(path => /\.(ts|js)$/.test(path));
}

const folders = readdirSync('.').filter(name => existsSync(`${name}/tsconfig.json`) && hasSources(name));
for (const folder of ['.', ...folders]) {
  const { status, error } = spawnSync('node_modules/.bin/tsc', ['-p', folder, '--noEmit'], { stdio: 'inherit' });
  if (error) throw error;
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${folder === '.' ? 'src' : folder}`);
  if (status !== 0) process.exitCode = 1;
}
