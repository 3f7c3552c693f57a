import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'node:test';
import { killAgent } from '../../../../src/queue/transport/local/kill-agent.js';
import { leakCheck } from '../../../support/leak-check.js';

leakCheck();

const MARKER = 'drone-0123456789abcdef';

test('a kill that takes too long says so in words of ours', async t => {
  const child = spawn('/bin/true');
  await once(child, 'exit');
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const killed = killAgent(child.pid ?? 0, MARKER, 2000);
  t.mock.timers.tick(60_000);
  await assert.rejects(killed, { message: 'this machine did not say in time what became of it' });
});

test('a process that is no agent of that marker is not known to be gone', async () => {
  assert.equal(await killAgent(process.pid, MARKER, 2000), false);
});
