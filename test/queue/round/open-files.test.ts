/** A round that needs more open files than there may be is refused before anything starts. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const PROGRAM = fileURLToPath(new URL('./programs/too-many.js', import.meta.url));

test('a round that needs more open files than this process may have is refused with the number needed', async () => {
  const script = 'ulimit -n 200; exec "$0" "$1"';
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', script, process.execPath, PROGRAM]);
  assert.deepEqual(JSON.parse(stdout), {
    code: 'ERR_OPEN_FILES',
    message: 'The round needs 364 open files for its 300 connections, and this process may have 200 (ulimit -n)',
    queued: 300,
  });
});
