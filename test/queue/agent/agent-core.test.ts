import assert from 'node:assert/strict';
import test from 'node:test';
import { AgentCore } from '../../../src/queue/agent/agent-core.js';
import type { CallContext } from '../../../src/queue/agent/call-context.js';
import { returned } from '../../../src/queue/agent/outcome.js';
import { EVERY_CALL, FrameType } from '../../../src/queue/wire/messages.js';
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
