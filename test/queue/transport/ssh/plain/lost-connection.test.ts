/** A connection that is gone before anybody has told the agent's player of its end. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { decode, encode } from '../../../../../src/queue/wire/codec/codec.js';
import { FrameReader, FrameWriter } from '../../../../../src/queue/wire/frames.js';
import { bundleInput } from '../../../../../src/queue/agent/loader.js';
import { PlainAgent } from '../../../../../src/queue/transport/ssh/plain/plain-agent.js';
import type { Server } from '../../../../../src/queue/transport/ssh/plain/server.js';
import { TransportError } from '../../../../../src/queue/transport/transport.js';
import { type FailedReport, FrameType, writeCall } from '../../../../../src/queue/wire/messages.js';

const MARKER = 'marker';

/** A server whose connection no longer takes a command; that it has ended is yet to come. */
function halfGone(): Server {
  return {
    exec: () =>
      Promise.reject(new TransportError('unreachable', 'web1 did not start a command: the connection was lost')),
    ping: () => Promise.reject(new Error('not asked')),
    onEnd: () => undefined,
    hold: () => undefined,
    release: () => undefined,
    end: () => undefined,
    destroy: () => undefined,
  };
}

test('a command whose start met a lost connection may have run: it did not throw', async () => {
  const writer = new FrameWriter();
  writeCall(writer, 1, 0, {
    streams: false,
    isKill: false,
    timeoutMs: 1000,
    method: 'run',
    utility: '',
    args: encode(['true']),
  });
  const failure = await new Promise<FailedReport>(resolve => {
    const reader = new FrameReader((type, _batch, _index, payload) => {
      if (type === FrameType.Failed) resolve(decode(payload) as FailedReport);
    });
    let behindMarker = false;
    const agent = new PlainAgent({
      server: halfGone(),
      start: { loader: '', marker: MARKER, input: bundleInput('') },
      events: {
        data: chunk => {
          // The first chunk is the marker's line, frames come in the further ones.
          if (behindMarker) reader.push(chunk);
          behindMarker = true;
        },
        diagnostics: () => undefined,
        end: () => undefined,
      },
      reason: 'web1 has no Node',
      connectAgain: () => Promise.reject(new Error('not asked')),
    });
    agent.write(writer.take());
  });
  assert.equal(failure.kind, 'lost');
});
