/** Fault 14: a drone that has no room for a file. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { SshDrone } from 'drone-task-queue';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { fault } from './fault.js';
import { CONNECT_MS, Fleet, optionsAt } from './fleet.js';
import { fullDisk } from './full-disk.js';
import { queueNoRoom } from './no-room.js';

leakCheck();

const PROGRAM = fileURLToPath(new URL('programs/full-disk-round.js', import.meta.url));
const ROW = {
  row: 14,
  sees: 'its results: the agent comes over the connection and is never written to disk',
  within: 'connect timeout + the time of the calls',
  withinMs: CONNECT_MS,
};

const remote = fullDisk(homeOf('drone'), tmpdir());

fault(
  { ...ROW, fault: 'disks are full or read-only, over SSH', injected: `sshd with ${remote.injected}` },
  async ({ inTime }) => {
    await using fleet = await Fleet.start();
    await using sshd = await startSshd({}, 1, remote.launcher);
    const drone = new SshDrone('full', optionsAt(sshd, 0));
    const assertNoRoom = queueNoRoom(drone);
    assertNoRoom(await inTime(fleet.succeeds(drone)));
  },
);

const folders = ['home', 'temporary'].map(name => mkdtempSync(join(tmpdir(), `full-${name}-`)));
const [home = '', temporary = ''] = folders;
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});
const local = fullDisk(home, temporary);

fault(
  { ...ROW, fault: 'disks are full or read-only, on this machine', injected: `a process with ${local.injected}` },
  async ({ inTime }) => {
    await using fleet = await Fleet.start();
    const beside = [1, 2].map(at => optionsAt(fleet.sshd, at));
    const [launcher = '', ...args] = local.launcher;
    const command = [...args, process.execPath, PROGRAM, JSON.stringify(beside)];
    // What tsx keeps of what it compiled would be a file.
    const env = { ...process.env, HOME: home, TMPDIR: temporary, TSX_DISABLE_CACHE: '1' };
    const { stderr } = await inTime(promisify(execFile)(launcher, command, { env }));
    assert.equal(stderr, '');
  },
);

/** The user of sshd's tests, where there is one; else ours. */
function homeOf(user: string): string {
  try {
    return execFileSync('getent', ['passwd', user], { encoding: 'utf8' }).split(':')[5] ?? homedir();
  } catch {
    return homedir();
  }
}
