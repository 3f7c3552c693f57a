/** A connection that is gone before the agent's player has learned of its end. */
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

/** A server whose connection no longer takes a command; that it has ended is yet to come, by `end`. */
class HalfGone implements Server {
  readonly #isRequested: boolean;
  readonly #listeners: ((cause: Error | undefined) => void)[] = [];

  constructor(isRequested: boolean) {
    this.#isRequested = isRequested;
  }

  exec(_command: string, _signal: AbortSignal, _listen: unknown, onRequest?: () => void): Promise<never> {
    if (this.#isRequested) onRequest?.();
    return Promise.reject(new TransportError('unreachable', 'web1 did not start a command: the connection was lost'));
  }

  end(cause?: Error): void {
    for (const listener of this.#listeners) listener(cause);
  }

  onEnd(listener: (cause: Error | undefined) => void): void {
    this.#listeners.push(listener);
  }

  ping(): Promise<void> {
    return Promise.reject(new Error('not asked'));
  }

  hold(): void {
    return undefined;
  }

  release(): void {
    return undefined;
  }

  destroy(): void {
    return undefined;
  }
}

interface Played {
  readonly agent: PlainAgent;
  readonly failed: Promise<FailedReport>;
  readonly ended: Promise<Error | undefined>;
}

function play(server: Server): Played {
  let fail: (report: FailedReport) => void = () => undefined;
  const failed = new Promise<FailedReport>(resolve => {
    fail = resolve;
  });
  let end: (cause: Error | undefined) => void = () => undefined;
  const ended = new Promise<Error | undefined>(resolve => {
    end = resolve;
  });
  const reader = new FrameReader((type, _batch, _index, payload) => {
    if (type === FrameType.Failed) fail(decode(payload) as FailedReport);
  });
  let behindMarker = false;
  const agent = new PlainAgent({
    server,
    start: { loader: '', marker: MARKER, input: bundleInput('') },
    events: {
      data: chunk => {
        // The first chunk is the marker's line, frames come in the further ones.
        if (behindMarker) reader.push(chunk);
        behindMarker = true;
      },
      diagnostics: () => undefined,
      end: cause => end(cause),
    },
    reason: 'web1 has no Node',
    connectAgain: () => Promise.reject(new Error('not asked')),
  });
  const writer = new FrameWriter();
  writeCall(writer, 1, 0, {
    streams: false,
    isKill: false,
    wantsTotal: false,
    timeoutMs: 1000,
    method: 'run',
    utility: '',
    args: encode(['true']),
  });
  agent.write(writer.take());
  return { agent, failed, ended };
}

test('a command whose request met a lost connection may have run: it did not throw', async () => {
  const { agent, failed } = play(new HalfGone(true));
  assert.equal((await failed).kind, 'lost');
  assert.equal(agent.mayHaveStarted(1), false, 'answered');
});

test('a command that may have run counts so at the end of its connection, however the command then ends', async () => {
  const server = new HalfGone(true);
  const { agent, ended } = play(server);
  // Requested, and not refused yet.
  await Promise.resolve();
  await Promise.resolve();
  server.end(new Error('reset'));
  assert.equal((await ended)?.message, 'reset');
  await new Promise(setImmediate);
  assert.equal(agent.mayHaveStarted(1), true);
});

test('a command that was never requested has not started, as the end of its connection reports', async () => {
  const server = new HalfGone(false);
  const { agent, failed, ended } = play(server);
  const early = await Promise.race([failed, new Promise(resolve => setImmediate(() => resolve('none')))]);
  assert.equal(early, 'none');
  assert.equal(agent.mayHaveStarted(1), false);
  server.end(new Error('reset'));
  assert.equal((await ended)?.message, 'reset');
  assert.equal(agent.mayHaveStarted(1), false);
});
