/** Commands on a server that gives them no process group of their own. */
import assert from 'node:assert/strict';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { DroneTaskQueue, SshDrone } from 'drone-task-queue';
import { Told } from '../../../../contract/told.js';
import { endAll, newMark, noneLeft, processesWith, until } from '../../../../faults/processes.js';
import { type Dropbear, startDropbear } from '../../../../support/dropbear.js';
import { isRunning, temporaryFolder } from '../../../../support/processes-left.js';
import { leakCheck } from '../../../../support/leak-check.js';

let server: Dropbear;

before(async () => {
  server = await startDropbear();
});
after(() => server[Symbol.asyncDispose]());
leakCheck();

const STUBBORN = 'trap "" TERM; ';

for (const agent of ['none', 'node'] as const) {
  for (const traps of ['', STUBBORN]) {
    const how = `agent '${agent}'${traps === '' ? '' : ', TERM ignored'}`;
    test(`dropbear: a command is ended with the children that it runs: ${how}`, async () => {
      await using queue = new DroneTaskQueue({ killGraceMs: 2000 });
      const drone = new SshDrone('web1', { ...server.droneOptions(), agent });
      const other = new SshDrone('web2', { ...server.droneOptions(), agent });
      const [mark, otherMark] = [newMark(), newMark()];
      const stop = new AbortController();
      const started = { signal: stop.signal };
      drone.with(started).queueCall('run', `${traps}(sleep ${mark}; :) & sh -c "sleep ${mark}; :"; echo after`);
      const running = queue.settle([drone]);
      const otherRun = queue.call(other, 'run', `sleep ${otherMark}; echo ended`);
      try {
        await until(() => processesWith(mark).length >= 4 && processesWith(otherMark).length >= 1, 'both run');
        stop.abort();
        const failure = (await running).failures.get(drone);
        assert.equal(failure?.kind, 'cancelled');
        assert.equal(failure.killed, true);
        assert.deepEqual(processesWith(mark), []);
        assert(processesWith(otherMark).length > 0, 'the other command was ended, too');
      } finally {
        endAll(mark);
        endAll(otherMark);
      }
      await otherRun;
      await noneLeft(otherMark);
    });
  }
}

test('dropbear: a command whose time is up is ended with its foreground child', async () => {
  await using queue = new DroneTaskQueue({ killGraceMs: 200 });
  const drone = new SshDrone('web1', { ...server.droneOptions(), agent: 'none' });
  const mark = newMark();
  drone.with({ timeoutMs: 300 }).queueCall('run', `sleep ${mark}; echo after`);
  const failure = (await queue.settle([drone])).failures.get(drone);
  assert.deepEqual([failure?.kind, failure?.killed], ['timeout', true]);
  assert.deepEqual(processesWith(mark), []);
});

test('dropbear: commands give what they print, their status and their signal', async () => {
  await using queue = new DroneTaskQueue();
  const drone = new SshDrone('web1', { ...server.droneOptions(), agent: 'none' });
  const said = await queue.call(drone, 'run', 'cat; echo "$A"; echo err >&2; exit 3', {
    stdin: 'in\n',
    env: { A: 'a b' },
  });
  const { exitCode, stdout, stderr } = said;
  assert.deepEqual({ exitCode, stdout, stderr }, { exitCode: 3, stdout: 'in\na b\n', stderr: 'err\n' });
  assert.equal((await queue.call(drone, 'run', 'kill -TERM $$')).signal, 'SIGTERM');
  const { stdout: group } = await queue.call(drone, 'run', 'ps -o pid=,pgid= -p $$');
  const [pid, pgid] = group.trim().split(/\s+/);
  assert.equal(pid, pgid);
});

test('dropbear: a detached command leads a group of its own, lives on without its connection, and is ended', async t => {
  const folder = await temporaryFolder(t);
  await chmod(folder, 0o777);
  const drone = new SshDrone('web1', { ...server.droneOptions(), agent: 'none' });
  const mark = newMark();
  const options = { workingDirectory: folder, pidfileName: 'pid' };
  let pid = 0;
  {
    await using queue = new DroneTaskQueue();
    ({ pid } = await queue.call(drone, 'executeCommand', ['sleep', mark], options));
  }
  try {
    await using queue = new DroneTaskQueue();
    const { processes } = await queue.call(drone, 'refresh', []);
    const leader = processes.find(process => process.pid === pid);
    assert.equal(leader?.pgid, pid);
    drone.queueKillProcess({ hostname: drone.hostname, pid });
    await queue.execute([drone]);
    await noneLeft(mark);
    const { pidfiles } = await queue.call(drone, 'refresh', [`${folder}/pid`]);
    assert.deepEqual(Object.values(pidfiles), [`${String(pid)}\n143\n`]);
  } finally {
    endAll(mark);
  }
});

test('dropbear: close waits for the kill that a slow login is yet to start', async t => {
  const folder = await temporaryFolder(t);
  await chmod(folder, 0o777);
  const [login, gate] = [join(folder, 'login'), join(folder, 'open')];
  await writeFile(
    login,
    `#!/bin/sh\nuntil [ -e ${gate} ]; do sleep 0.05; done\nexec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n`,
  );
  await chmod(login, 0o755);
  await writeFile(gate, '');
  await using slow = await startDropbear(['-c', login]);
  const queue = new DroneTaskQueue({ killGraceMs: 10 });
  const drone = new SshDrone('web1', { ...slow.droneOptions(), agent: 'none' });
  const stop = new AbortController();
  const told = new Told();
  drone.with({ signal: stop.signal, onOutput: told.onOutput }).queueCall('run', 'echo $$; exec sleep 1000');
  const round = queue.settle([drone]);
  const [pid = 0] = await told.numbers;
  await rm(gate);
  stop.abort();
  const failure = (await round).failures.get(drone);
  assert.deepEqual([failure?.kind, failure?.killed], ['cancelled', false]);
  const closing = queue.close();
  await writeFile(gate, '');
  assert.deepEqual(await closing, { abandoned: [] });
  assert.equal(isRunning(pid), false);
});
