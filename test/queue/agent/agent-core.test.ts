import assert from 'node:assert/strict';
import test from 'node:test';
import { AgentCore } from '../../../src/queue/agent/agent-core.js';
import type { CallContext } from '../../../src/queue/agent/call-context.js';
import { returned } from '../../../src/queue/agent/outcome.js';
import { decode } from '../../../src/queue/wire/codec/codec.js';
import { EVERY_CALL, type FailedReport, FrameType } from '../../../src/queue/wire/messages.js';
import { encodeFrame } from '../../../src/queue/wire/frames.js';
import { callFrame } from './spawn-agent.js';

/** Receives a call and resolves with the context that its method gets. */
function contextOfCall(): Promise<{ core: AgentCore; context: CallContext }> {
  return new Promise(resolve => {
    const core: AgentCore = new AgentCore({
      link: { send: () => undefined },
      execute: (_call, context) => {
        resolve({ core, context });
        return Promise.resolve(returned(undefined));
      },
      cancelWaitMs: () => 0,
    });
    core.receive(callFrame(1, 0, 'short', []));
  });
}

test('contexts of calls share one shape: V8 makes a getter per object slowly', async () => {
  const { context } = await contextOfCall();
  assert.deepEqual(
    Object.entries(Object.getOwnPropertyDescriptors(context)).filter(([, { get }]) => get !== undefined),
    [],
  );
});

test('the signal of a call that is cancelled before it asks for its signal is aborted', async () => {
  const { core, context } = await contextOfCall();
  core.receive(encodeFrame(FrameType.Cancel, 1, EVERY_CALL));
  assert.equal(context.signal.aborted, true);
  await core.stop();
});

test('a cancelled call that does not end in time is answered with what its command has printed', async () => {
  const printed = { stdout: 'so far', stderr: '' };
  const answer = new Promise<unknown>(resolve => {
    const core: AgentCore = new AgentCore({
      link: {
        send: (type, _batch, _index, payload) =>
          type === FrameType.Failed && resolve(decode(payload ?? new Uint8Array())),
      },
      execute: (_call, context) => {
        context.prints(() => printed);
        core.receive(encodeFrame(FrameType.Cancel, 1, EVERY_CALL));
        return new Promise(() => undefined);
      },
      cancelWaitMs: () => 0,
    });
    core.receive(callFrame(1, 0, 'run', ['sleep 1000']));
  });
  const { kind, killed, output } = (await answer) as FailedReport;
  assert.deepEqual({ kind, killed, output }, { kind: 'cancelled', killed: false, output: printed });
});
