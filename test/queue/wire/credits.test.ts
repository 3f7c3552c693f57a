import assert from 'node:assert/strict';
import test from 'node:test';
import {
  decodeCredit,
  encodeCredit,
  OUTPUT_LIMITS,
  ReceiveWindow,
  SendWindow,
  type StreamLimits,
} from '../../../src/queue/wire/credits.js';
import { FILE_LIMITS } from '../../../src/queue/transfer/part-stream.js';

const { windowBytes } = OUTPUT_LIMITS;
const MOST_OF_ONE_PIECE = FILE_LIMITS.pieceBytes + FILE_LIMITS.pieceCostBytes;

test('a credit arrives as it was sent, up to four gigabytes', () => {
  for (const bytes of [0, 1, 65_536, 0xffff_ffff]) assert.equal(decodeCredit(encodeCredit(bytes)), bytes);
});

const LIMITS: readonly (readonly [string, StreamLimits])[] = [
  ['output', OUTPUT_LIMITS],
  ['files', FILE_LIMITS],
  ['files over a slow link', { ...FILE_LIMITS, firstBytes: FILE_LIMITS.fewestBytes, windowBytes: MOST_OF_ONE_PIECE }],
];

for (const [what, limits] of LIMITS) {
  test(`a sender of ${what} that keeps to its window is never held for too far ahead, and is never stuck`, async () => {
    const sender = new SendWindow(limits);
    const receiver = new ReceiveWindow(limits);
    const inTransit: number[] = [];
    let sentBytes = 0;
    for (let piece = 1; sentBytes < 20 * limits.windowBytes; piece = (piece * 7919) % limits.pieceBytes) {
      while (sender.isFull(piece)) {
        const next = inTransit.shift();
        assert.ok(next !== undefined, 'all is consumed, and the window is still full');
        sender.credit(receiver.consumed(next));
      }
      await sender.opened(piece);
      sender.sent(piece);
      sentBytes += piece;
      receiver.arrived(piece);
      inTransit.push(piece);
    }
  });
}

test('a sender that goes beyond its window is found out', () => {
  const receiver = new ReceiveWindow(OUTPUT_LIMITS);
  receiver.arrived(windowBytes);
  assert.throws(
    () => {
      receiver.arrived(1);
    },
    { code: 'ERR_PROTOCOL', message: /262145 bytes ahead of its consumer, 262144 are allowed/ },
  );
});

test('a closed window is full for no writer, those that wait for it included', async () => {
  const sender = new SendWindow(OUTPUT_LIMITS);
  sender.sent(windowBytes);
  const opened = sender.opened();
  assert.equal(sender.isFull(), true);
  sender.close();
  await opened;
  assert.equal(sender.isFull(), false);
});
