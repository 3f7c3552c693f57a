import assert from 'node:assert/strict';
import test from 'node:test';
import { killAgent } from '../../../src/queue/thread/agent-kill.js';
import type { Channel } from '../../../src/queue/transport/transport.js';
import { leakCheck } from '../../support/leak-check.js';

leakCheck();

function channel(kill?: (pid: number) => Promise<boolean>): Channel {
  const nothing = (): void => undefined;
  const plain = { write: nothing, hold: nothing, release: nothing, close: nothing, destroy: nothing };
  return kill === undefined ? plain : { ...plain, kill };
}

async function told(kill?: (pid: number) => Promise<boolean>): Promise<[boolean | undefined, string[]]> {
  const warnings: string[] = [];
  const known = await killAgent(channel(kill), 4711, message => warnings.push(message));
  return [known, warnings];
}

test('an agent that is gone with all that it ran is known to be', async () => {
  const pids: number[] = [];
  const kill = (pid: number): Promise<boolean> => {
    pids.push(pid);
    return Promise.resolve(true);
  };
  assert.deepEqual(await told(kill), [true, []]);
  assert.deepEqual(pids, [4711]);
});

test('an agent that may not be gone is told in a warning', async () => {
  const [known, warnings] = await told(() => Promise.resolve(false));
  assert.equal(known, false);
  assert.match(warnings.join(), /^the agent \(process 4711\) does not answer, and is not known to be gone/);
});

test('a kill that fails is told in a warning, with its reason', async () => {
  const [known, warnings] = await told(() => Promise.reject(new Error('no route')));
  assert.equal(known, false);
  assert.match(warnings.join(), /could not be killed: no route$/);
});

test('a kill that takes long is not waited for', async () => {
  assert.deepEqual(await told(() => new Promise(() => undefined)), [false, []]);
});

test('where the transport kills no agent, or the agent has told no pid, nothing is known', async () => {
  assert.deepEqual(await told(), [undefined, []]);
  const fail = (): never => {
    throw new Error('there was nothing to kill, or to tell');
  };
  assert.equal(await killAgent(channel(fail), undefined, fail), undefined);
  assert.equal(await killAgent(undefined, 4711, fail), undefined);
});
