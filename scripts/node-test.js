// Runs test files with node:test through tsx.
import { spawnSync } from 'node:child_process';

/** A test that hangs ends by this, ms; the longest may first have to download five Nodes. */
const TIMEOUT_MS = 300_000;

/**
 * Returns whether all tests passed, and none was left out.
 * @param {string} node
 * @param {readonly string[]} files
 * @param {number} atOnce
 * @param {readonly string[]} reporter Arguments for one more reporter.
 */
export function nodeTest(node, files, atOnce, reporter = []) {
  const args = [
    '--import=tsx',
    '--test',
    `--test-concurrency=${String(atOnce)}`,
    `--test-timeout=${String(TIMEOUT_MS)}`,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=./scripts/every-file-tests.js',
    '--test-reporter-destination=stderr',
    ...reporter,
  ];
  const { status, error } = spawnSync(node, [...args, ...files], { stdio: ['ignore', 'inherit', 'inherit'] });
  if (error) throw error;
  return status === 0;
}
