/** What a scheduler that is killed outright leaves behind on its drones: what was meant to live on, and nothing else. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import test, { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { allGone, isRunning, killGroup, temporaryFolder } from '../support/processes-left.js';
import { leakCheck } from '../support/leak-check.js';
import { type Sshd, startSshd } from '../support/sshd.js';

const PROGRAM = fileURLToPath(new URL('./programs/controller-process.js', import.meta.url));

let sshd: Sshd;

before(async () => {
  sshd = await startSshd({}, 1);
});
after(() => sshd.stop());
leakCheck();

test('a controller that is killed takes all along that its agents run, but for what is to live on', async t => {
  const folder = await temporaryFolder(t);
  await chmod(folder, 0o777);
  const args = [PROGRAM, `--ssh=${JSON.stringify(sshd.droneOptions())}`, `--folder=${folder}`];
  const controller = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(controller, 'exit');
  let left: number[] = [];
  try {
    const lines = createInterface({ input: controller.stdout });
    const [line] = (await Promise.race([once(lines, 'line'), exited.then(() => [''])])) as [string];
    const { pids, detached } = JSON.parse(line) as { pids: number[]; detached: number[] };
    left = [...pids, ...detached];
    assert.deepEqual([pids.length, detached.length], [12, 2]);
    assert.deepEqual(
      left.filter(pid => !isRunning(pid)),
      [],
    );
    controller.kill('SIGKILL');
    await allGone(pids);
    assert.deepEqual(detached.filter(isRunning), detached);
  } finally {
    controller.kill('SIGKILL');
    await exited;
    controller.stdout.destroy();
    for (const pid of left) killGroup(pid);
    await allGone(left);
  }
});
