import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { leaderScript } from '../../../src/queue/agent/leader-script.js';
import { leakCheck } from '../../support/leak-check.js';
import { allGone, temporaryFolder } from '../../support/processes-left.js';
import { nodeAgent, shellAgent } from './agents.js';
import { startAgent } from './spawn-agent.js';
import { executeCommandSuite, fifo, options } from './suites/execute-command.js';

leakCheck();

executeCommandSuite([nodeAgent, shellAgent]);

test('a call that was given up while its log hung never starts', async t => {
  const folder = await temporaryFolder(t);
  const log = fifo(join(folder, 'log'));
  await using agent = await startAgent({ config: { killGraceMs: 10 } });
  const batch = agent.newBatch();
  agent.sendCall(batch, 0, 'executeCommand', [['touch', 'ran'], options(folder)]);
  agent.cancel(batch, 0);
  assert.equal((await agent.failure(batch, 0)).kind, 'cancelled');
  // To the end: when no process holds the log any more, whatever was started has ended.
  assert.match(await readFile(log, 'utf8'), /touch ---\n$/);
  assert.deepEqual(await readdir(folder), ['log']);
});

test('a call that was given up while its pidfile hung never starts', async t => {
  const folder = await temporaryFolder(t);
  await using agent = await startAgent({ config: { killGraceMs: 10 } });
  const draft = fifo(join(folder, `pid.${String(agent.pid)}.new`));
  const batch = agent.newBatch();
  agent.sendCall(batch, 0, 'executeCommand', [['touch', 'ran'], options(folder)]);
  const hasLeader = async (): Promise<boolean> => {
    const { processes } = await agent.call('refresh', []);
    return processes.some(({ args }) => args.includes(` sh ${join(folder, 'pid')} `));
  };
  while (!(await hasLeader()));
  agent.cancel(batch, 0);
  assert.equal((await agent.failure(batch, 0)).kind, 'cancelled');
  await allGone([Number(await readFile(draft, 'utf8'))]);
  assert.ok(!(await readdir(folder)).includes('ran'));
});

test('a leader that is never told to go takes its own pidfile along, and no other', async t => {
  const folder = await temporaryFolder(t);
  const end = (pid: string): Promise<string[]> => {
    // The agent writes the pidfile; here the shell that becomes the leader does.
    const script = `echo ${pid} >pid; exec /bin/sh -c "$0" sh pid /usr/bin/touch ran`;
    assert.equal(spawnSync('sh', ['-c', script, leaderScript({})], { cwd: folder, stdio: 'ignore' }).status, 125);
    return readdir(folder);
  };
  assert.deepEqual(await end('1'), ['pid']);
  assert.deepEqual(await end('$$'), []);
});
