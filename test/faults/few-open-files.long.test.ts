import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { fault, type FaultWatch } from './fault.js';
import type { Told } from './programs/few-files-scheduler.js';

leakCheck();

const PROGRAM = fileURLToPath(new URL('./programs/few-files-scheduler.js', import.meta.url));

/** In a process that may open 200 files. The drone beside the fault is held to its results there. */
async function outcomeOf(part: 'refused' | 'exhausted', { inTime }: FaultWatch): Promise<unknown> {
  await using sshd = await startSshd();
  const orders = { drone: sshd.droneOptions(), other: sshd.droneOptions('127.0.1.2') };
  const script = 'ulimit -n 200; exec "$0" "$1" "$2"';
  const env = { ...process.env, ORDERS: JSON.stringify(orders) };
  const args = ['-c', script, process.execPath, PROGRAM, part];
  const { stdout } = await inTime(promisify(execFile)('/bin/sh', args, { env }));
  return JSON.parse(stdout) as unknown;
}

fault(
  {
    row: 33,
    fault: 'a round needs more open files than the limit',
    injected: '300 SSH drones in a process that may open 200 files',
    sees: 'a refusal before anything starts, `ERR_OPEN_FILES`, with the number needed; all calls stay queued',
    within: 'at once',
    withinMs: 10_000,
  },
  async watch => {
    assert.deepEqual(await outcomeOf('refused', watch), {
      code: 'ERR_OPEN_FILES',
      message: 'The round needs 365 open files for its 301 connections, and this process may have 200 (ulimit -n)',
      queued: 300,
    });
  },
);

fault(
  {
    row: 33,
    fault: 'no further file can be opened',
    injected:
      'the process has reached its limit of open files; for a new SSH drone and localhost. Other drones are warm',
    sees: '`unreachable`, or `bootstrap` on localhost, with `EMFILE`; the call in `notStarted` and back. Once files can be opened, the next round succeeds',
    within: 'at once',
    withinMs: 10_000,
  },
  async watch => {
    const told = (await outcomeOf('exhausted', watch)) as Told[];
    assert.deepEqual(
      told.map(({ kind, isBack }) => ({ kind, isBack })),
      [
        { kind: 'unreachable', isBack: true },
        { kind: 'bootstrap', isBack: true },
      ],
    );
    for (const { message } of told) assert.match(message ?? '', /EMFILE/);
  },
);
