import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { killAgent } from '../../../src/queue/thread/agent-kill.js';
import type { Channel } from '../../../src/queue/transport/transport.js';
import { leakCheck } from '../../support/leak-check.js';

leakCheck();

const MARKER = 'drone-0123456789abcdef';

type RunBeside = NonNullable<Channel['runBeside']>;

function hung(runBeside?: RunBeside, pid: number | undefined = 4711): Parameters<typeof killAgent>[0] {
  const nothing = (): void => undefined;
  const plain = { write: nothing, hold: nothing, release: nothing, close: nothing, destroy: nothing };
  const channel = runBeside === undefined ? plain : { ...plain, runBeside };
  return { channel, pid, marker: MARKER, killGraceMs: 2000, isLast: false };
}

/** A script that prints this, and ends. */
function saying(text: string): RunBeside {
  return (_script, said) => {
    said(Buffer.from(text));
    return Promise.resolve();
  };
}

async function told(runBeside?: RunBeside): Promise<[boolean | undefined, string[]]> {
  const warnings: string[] = [];
  const known = await killAgent(hung(runBeside), message => warnings.push(message));
  return [known, warnings];
}

test('an agent that is gone with all that it ran is known to be', async () => {
  const scripts: string[] = [];
  const [known, warnings] = await told((script, said) => {
    scripts.push(script);
    return saying('4711 gone\n')(script, said, new AbortController().signal);
  });
  assert.deepEqual([known, warnings], [true, []]);
  assert.match(scripts.join(), new RegExp(`x4711:${MARKER}`));
});

test('the first word about an agent counts, and one that may not be gone becomes a warning', async () => {
  for (const text of ['4711 alive\n', '4711 refused\n4711 gone\n', '4711 unknown\n']) {
    const [known, warnings] = await told(saying(text));
    assert.equal(known, false);
    assert.match(warnings.join(), /^the agent \(process 4711\) does not answer, and it is not known whether/);
  }
});

test('a login that goes on after the kill is not waited for', async () => {
  let isLetGo = false;
  const [known, warnings] = await told(async (_script, said, signal) => {
    for (const text of ['47', '11 go', 'ne\n']) said(Buffer.from(text));
    await once(signal, 'abort');
    isLetGo = true;
  });
  assert.deepEqual([known, warnings, isLetGo], [true, [], true]);
});

test('a kill that fails becomes a warning with its reason', async () => {
  const [known, warnings] = await told(() => Promise.reject(new Error('no route')));
  assert.equal(known, false);
  assert.match(warnings.join(), /could not be killed: no route$/);
});

test('a script that says nothing of the agent becomes a warning with what it says', async () => {
  const [known, warnings] = await told(saying('sh: not found\n'));
  assert.equal(known, false);
  assert.match(warnings.join(), /could not be killed: the drone did not report what happened to it: sh: not found$/);
});

test('a kill that takes long is not waited for, is given up in time, and then becomes a warning', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let started = (): void => undefined;
  const start = new Promise<void>(resolve => (started = resolve));
  let warned = (_message: string): void => undefined;
  const warning = new Promise<string>(resolve => (warned = resolve));
  const known = killAgent(
    hung(async (_script, _said, signal) => {
      started();
      await once(signal, 'abort');
      signal.throwIfAborted();
    }),
    message => {
      warned(message);
    },
  );
  await start;
  t.mock.timers.tick(60_000);
  assert.match(await warning, /could not be killed: the drone did not report in time what happened to it$/);
  assert.equal(await known, false);
});

test('where the transport kills no agent, or the agent has told no pid, nothing is known', async () => {
  assert.deepEqual(await told(), [undefined, []]);
  const fail = (): never => {
    throw new Error('there was nothing to kill, or to tell');
  };
  assert.equal(await killAgent({ ...hung(fail), pid: undefined }, fail), undefined);
  assert.equal(await killAgent({ ...hung(), channel: undefined }, fail), undefined);
});
