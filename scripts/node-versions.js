// Other versions of Node, as the npm packages that hold nothing but the program.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Every major version that this package meets on a drone. */
export const NODE_MAJORS = [18, 20, 22, 24, 26];

const CACHE = fileURLToPath(new URL('../node_modules/.cache/drone-task-queue/', import.meta.url));

/**
 * Path of a `node` of that major version: the one that runs this, or one that is installed below node_modules/.cache at
 * first use (about 5 s). Throws an Error of one line when it cannot be had; a test must not skip for it.
 * @param {number} major
 */
export function nodeBinary(major) {
  if (process.versions.node.startsWith(`${String(major)}.`)) return process.execPath;
  const name = `node-${process.platform}-${process.arch}`;
  const home = join(CACHE, `node-${String(major)}`);
  const binary = join(home, 'node_modules', name, 'bin', 'node');
  if (!existsSync(binary)) install(`${name}@${String(major)}`, home, binary);
  return binary;
}

/**
 * Installs beside and renames, so that of several test files that need it none sees half of it.
 * @param {string} spec
 * @param {string} home
 * @param {string} binary
 */
function install(spec, home, binary) {
  mkdirSync(CACHE, { recursive: true });
  const fresh = mkdtempSync(join(CACHE, 'installing-'));
  try {
    execFileSync(
      'npm',
      [
        'install',
        '--no-save',
        '--no-package-lock',
        '--no-audit',
        '--no-fund',
        '--loglevel=error',
        '--prefix',
        fresh,
        spec,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' },
    );
    renameSync(fresh, home);
  } catch (cause) {
    rmSync(fresh, { recursive: true, force: true });
    // Another test file may have been first.
    if (existsSync(binary)) return;
    const stderr = cause instanceof Error && 'stderr' in cause ? cause.stderr : undefined;
    const detail = typeof stderr === 'string' && stderr.trim() !== '' ? stderr : String(cause);
    const lines = detail.split('\n').filter(line => !/ code [A-Z]/.test(line));
    throw new Error(`cannot install ${spec} from npm, which this test needs: ${String(lines[0])}`, { cause });
  }
}
