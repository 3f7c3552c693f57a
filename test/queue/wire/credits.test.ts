import assert from 'node:assert/strict';
import test from 'node:test';
import {
  decodeCredit,
  encodeCredit,
  LARGEST_PIECE_BYTES,
  ReceiveWindow,
  SendWindow,
  WINDOW_BYTES,
} from '../../../src/queue/wire/credits.js';

test('a credit arrives as it was sent, up to four gigabytes', () => {
  for (const bytes of [0, 1, 65_536, 0xffff_ffff]) assert.equal(decodeCredit(encodeCredit(bytes)), bytes);
});

test('a sender that keeps to its window is never held for too far ahead, and is never stuck', async () => {
  const sender = new SendWindow();
  const receiver = new ReceiveWindow();
  const inTransit: number[] = [];
  let sentBytes = 0;
  for (let piece = 1; sentBytes < 20 * WINDOW_BYTES; piece = (piece * 7919) % LARGEST_PIECE_BYTES) {
    while (sender.full) {
      const next = inTransit.shift();
      assert.ok(next !== undefined, 'all is consumed, and the window is still full');
      sender.credit(receiver.consumed(next));
    }
    await sender.opened();
    sender.sent(piece);
    sentBytes += piece;
    receiver.arrived(piece);
    inTransit.push(piece);
  }
});

test('a sender that goes beyond its window is found out', () => {
  const receiver = new ReceiveWindow();
  receiver.arrived(WINDOW_BYTES);
  assert.throws(
    () => {
      receiver.arrived(1);
    },
    { code: 'ERR_PROTOCOL', message: /262145 bytes ahead of its consumer, 262144 are allowed/ },
  );
});

test('a closed window is full for nobody, those who wait for it included', async () => {
  const sender = new SendWindow();
  sender.sent(WINDOW_BYTES);
  const opened = sender.opened();
  assert.equal(sender.full, true);
  sender.close();
  await opened;
  assert.equal(sender.full, false);
});
