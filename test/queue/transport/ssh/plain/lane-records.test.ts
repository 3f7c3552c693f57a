/** Records are found in any bytes, however these are cut into chunks. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { LaneRecords } from '../../../../../src/queue/transport/ssh/plain/lane-records.js';

const NONCE = 'abacabad';

/** Bytes as commands print them, the first letters of the nonce among them, and records. */
const PARTS = fc.array(
  fc.oneof(
    fc.string({ unit: fc.constantFrom('a', 'b', 'c', '\n', '\0', 'x') }).map(bytes => ({ bytes })),
    fc.string({ unit: fc.constantFrom('X', ' ', '0', 'T') }).map(record => ({ record })),
  ),
);

test('records and bytes come apart in order', () => {
  fc.assert(
    fc.property(PARTS, fc.array(fc.nat({ max: 20 })), (parts, cuts) => {
      const wanted: string[] = [];
      let all = '';
      for (const part of parts) {
        all += 'record' in part ? `${NONCE}${part.record}\n` : part.bytes;
        if ('record' in part) wanted.push(part.record);
      }
      const bytes = all.replaceAll(new RegExp(`${NONCE}[^\n]*\n`, 'g'), '');
      // What looks like a record within the bytes is one.
      fc.pre(all.split(NONCE).length - 1 === wanted.length);
      let seen = '';
      const found: string[] = [];
      const records = new LaneRecords(NONCE, {
        bytes: chunk => {
          seen += chunk.toString('latin1');
        },
        record: text => {
          found.push(text);
        },
      });
      let rest = all;
      for (const length of cuts) {
        records.take(Buffer.from(rest.slice(0, length), 'latin1'));
        rest = rest.slice(length);
      }
      // No beginning of a nonce is held back behind this.
      records.take(Buffer.from(`${rest}\n`, 'latin1'));
      assert.deepEqual(found, wanted);
      assert.equal(seen, `${bytes}\n`);
    }),
  );
});

test('a nonce without the end of a record is given up as bytes', () => {
  let seen = '';
  const records = new LaneRecords(NONCE, {
    bytes: chunk => {
      seen += chunk.toString('latin1');
    },
    record: () => assert.fail('there is none'),
  });
  records.take(Buffer.from(NONCE + 'x'.repeat(1000)));
  assert.equal(seen, NONCE + 'x'.repeat(1000));
});
