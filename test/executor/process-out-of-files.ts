/** Runs `out-of-files.ts` with few files to open, and gives what it prints. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const PROGRAM = fileURLToPath(new URL('./programs/out-of-files.js', import.meta.url));

export async function outOfFiles(...args: readonly string[]): Promise<string> {
  const limited = ['-c', 'ulimit -n 200; exec "$@"', 'sh', process.execPath, PROGRAM, ...args];
  return (await promisify(execFile)('/bin/sh', limited)).stdout;
}
