/** Node raises its own limit of open files; the commands of its agent have that of a login all the same. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { DroneTaskQueue, SshDrone } from 'drone-task-queue';
import { leakCheck } from '../../../support/leak-check.js';
import { readGone, temporaryFolder } from '../../../support/processes-left.js';
import { startSshd } from '../../../support/sshd.js';
import { until } from '../../../support/until.js';

leakCheck();

const LIMITS = 'ulimit -Sn; ulimit -Hn';

test('commands have the limits of open files of a login, with an agent and without one', async t => {
  const folder = await temporaryFolder(t);
  await chmod(folder, 0o777);
  await using sshd = await startSshd({}, 1, ['prlimit', '--nofile=1000:4000']);
  await using queue = new DroneTaskQueue();
  const plain = new SshDrone('web1', { ...sshd.droneOptions(), agent: 'none' });
  const agent = new SshDrone('web1', sshd.droneOptions());
  const script = `${LIMITS}; echo "$0 $#"; tr "\\0" " " </proc/$$/cmdline`;
  const outputs = await Promise.all([plain, agent].map(drone => queue.call(drone, 'run', script)));
  assert.equal(outputs[0]?.stdout, `1000\n4000\n/bin/sh 0\n/bin/sh -c ${script} `);
  assert.equal(outputs[1]?.stdout, outputs[0].stdout);
  assert.equal((await queue.call(agent, 'run', 'kill -TERM $$')).signal, 'SIGTERM');

  const options = { workingDirectory: folder, logFile: 'log', pidfileName: 'pid' };
  await queue.call(agent, 'executeCommand', ['/bin/sh', '-c', LIMITS], options);
  const textOf = (name: string): string => readGone(() => readFileSync(join(folder, name), 'utf8')) ?? '';
  await until(() => textOf('pid').endsWith('\n0\n'));
  assert.match(textOf('log'), /---\n1000\n4000\n$/);
});

test('a wrapper around the Node of the drone keeps the limit', async () => {
  await using sshd = await startSshd({}, 1, ['prlimit', '--nofile=1000:4000']);
  await using queue = new DroneTaskQueue();
  const { agentCommand = 'node', ...options } = sshd.droneOptions();
  const drone = new SshDrone('web1', { ...options, agentCommand: `env "WORD=two words" ${agentCommand}` });
  assert.equal((await queue.call(drone, 'run', 'echo "$WORD"; ulimit -Sn')).stdout, 'two words\n1000\n');
});
