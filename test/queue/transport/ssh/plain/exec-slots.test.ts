import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import test from 'node:test';
import type { ClientChannel } from 'ssh2';
import { ExecSlots } from '../../../../../src/queue/transport/ssh/plain/exec-slots.js';
import type { Server } from '../../../../../src/queue/transport/ssh/plain/server.js';
import { TransportError } from '../../../../../src/queue/transport/transport.js';
import { until } from '../../../../support/until.js';

const NEVER = new AbortController().signal;
const TEXT = { command: 'true', input: undefined, marker: 'mark' };

/** A server that opens so many channels at once, and after the last one refuses some more while it clears that up. */
class NarrowServer {
  refusals = 0;
  ran = 0;
  readonly channels = new Set<EventEmitter>();
  readonly #most: number;
  #clearing = 0;

  constructor(most: number) {
    this.#most = most;
  }

  async exec<T>(_command: string, _signal: AbortSignal, listen: (channel: ClientChannel) => T): Promise<T> {
    await new Promise(setImmediate);
    if (this.channels.size >= this.#most || this.#clearing-- > 0) {
      this.refusals += 1;
      const cause = Object.assign(new Error('open failed'), { reason: 2 });
      throw new TransportError('bootstrap', 'refused', { cause });
    }
    const channel = new EventEmitter();
    this.channels.add(channel);
    this.ran += 1;
    return listen(channel as unknown as ClientChannel);
  }

  /** Ends the commands that run. */
  end(clearing: number): void {
    this.#clearing = clearing;
    for (const channel of this.channels) {
      this.channels.delete(channel);
      channel.emit('close');
    }
  }
}

function slotsOf(server: NarrowServer): ExecSlots {
  return new ExecSlots(server as unknown as Server, NEVER);
}

/** Lets all requests that are on their way be answered. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
}

test('a refused command waits for one that runs, and is not refused again before that ends', async () => {
  const server = new NarrowServer(3);
  const slots = slotsOf(server);
  const runs = Array.from({ length: 20 }, () => slots.start(TEXT, () => 'ran', NEVER));
  await settle();
  assert.deepEqual([server.ran, server.refusals], [3, 5]);
  while (server.ran < 20) {
    server.end(0);
    await settle();
  }
  assert.deepEqual(await Promise.all(runs), Array(20).fill('ran'));
});

test('a command that is refused while none is open tries again while the server clears up', async () => {
  const server = new NarrowServer(1);
  const slots = slotsOf(server);
  const runs = Array.from({ length: 5 }, () => slots.start(TEXT, () => 'ran', NEVER));
  await settle();
  for (let ran = 1; ran < 5; ran += 1) {
    server.end(5);
    await until(() => server.ran > ran);
  }
  assert.deepEqual(await Promise.all(runs), Array(5).fill('ran'));
});

test('a command that is refused again and again while none is open fails, and a cancelled one does not run', async () => {
  const server = new NarrowServer(0);
  const slots = slotsOf(server);
  await assert.rejects(
    slots.start(TEXT, () => 'ran', NEVER),
    { name: 'TransportError', kind: 'bootstrap' },
  );
  assert.equal(await slots.start(TEXT, () => 'ran', AbortSignal.abort()), undefined);
  assert.equal(server.ran, 0);
});
