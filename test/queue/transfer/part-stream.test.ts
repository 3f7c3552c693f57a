import assert from 'node:assert/strict';
import test from 'node:test';
import { ProtocolError } from '../../../src/queue/wire/frames.js';
import { encodeCredit } from '../../../src/queue/wire/credits.js';
import { FILE_LIMITS, PartReader, PartWriter } from '../../../src/queue/transfer/part-stream.js';
import { CHUNK_BYTES, MAX_PART_BYTES } from '../../../src/queue/transfer/parts.js';

const PART = new Uint8Array(1 + CHUNK_BYTES);
const PART_COST = PART.byteLength + FILE_LIMITS.pieceCostBytes;

/** Resolves when all that can happen without news from outside has happened. */
function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}

test('a sender is a window ahead of its receiver and no more, and goes on as that deals with the parts', async () => {
  const sent: Uint8Array[] = [];
  const outflow = new PartWriter(part => void sent.push(part));
  const inflow = new PartReader(payload => {
    outflow.credit(payload);
  });
  const count = 100;
  const writing = (async () => {
    for (let part = 0; part < count; part++) await outflow.write(PART);
  })();
  await turn();
  const window = Math.floor(FILE_LIMITS.windowBytes / PART_COST);
  assert.ok(sent.length > 0 && sent.length < window, 'at first less than a window');
  let total = 0;
  let mostAhead = 0;
  for (let received = 0; received < count; received++) {
    total += sent.length;
    mostAhead = Math.max(mostAhead, total - received);
    for (const part of sent.splice(0)) inflow.push(part);
    await inflow.next();
    await turn();
  }
  assert.ok(mostAhead > window / 2 && mostAhead <= window, `${String(mostAhead)} parts ahead`);
  await writing;
});

test('tiny parts fill a window, too', async () => {
  let sent = 0;
  const outflow = new PartWriter(() => {
    sent++;
  });
  const writing = (async () => {
    for (;;) await outflow.write(Uint8Array.of(4));
  })();
  await turn();
  assert.ok(sent < 10_000, String(sent));
  outflow.stop(new Error('enough'));
  await assert.rejects(writing, /enough/);
});

test('credit for what was not sent is refused', async () => {
  const outflow = new PartWriter(() => undefined);
  await outflow.write(PART);
  const more = encodeCredit(PART_COST + 1);
  assert.throws(() => {
    outflow.credit(more);
  }, ProtocolError);
  assert.throws(() => {
    outflow.credit(new Uint8Array(3));
  }, ProtocolError);
  outflow.credit(encodeCredit(PART_COST));
});

test('a sender that heeds no window is refused before it fills the memory', () => {
  const inflow = new PartReader(() => undefined);
  assert.throws(() => {
    for (let part = 0; part < 1000; part++) inflow.push(PART);
  }, ProtocolError);
  assert.throws(() => {
    new PartReader(() => undefined).push(new Uint8Array(MAX_PART_BYTES + 1));
  }, ProtocolError);
});

test('a receiver that is stopped drops what it holds and gives the reason', async () => {
  const inflow = new PartReader(() => undefined);
  const waiting = inflow.next();
  const reason = new Error('cancelled');
  inflow.stop(reason);
  await assert.rejects(waiting, reason);
  inflow.push(PART);
  await assert.rejects(inflow.next(), reason);
});
