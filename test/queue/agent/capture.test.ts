import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Capture } from '../../../src/queue/agent/capture.js';

function captured(maxBytes: number, ...chunks: (string | Uint8Array)[]): Capture {
  const capture = new Capture(maxBytes);
  for (const chunk of chunks) capture.push(Buffer.from(chunk as string));
  return capture;
}

const TABLE: readonly (readonly [name: string, maxBytes: number, chunks: readonly string[], text: string])[] = [
  ['nothing', 4, [], ''],
  ['output below the limit', 10, ['abc', 'def'], 'abcdef'],
  ['output of just the limit', 6, ['abc', 'def'], 'abcdef'],
  ['one byte more than the limit', 6, ['abcdefg'], 'abc\n[… 1 bytes left out …]\nefg'],
  ['an odd limit', 5, ['abcdefgh'], 'abc\n[… 3 bytes left out …]\ngh'],
  ['a limit of 1', 1, ['abc'], 'a\n[… 2 bytes left out …]\n'],
  ['a limit of 0', 0, ['abc'], '\n[… 3 bytes left out …]\n'],
  ['a character cut at the end of the head', 6, ['aä', '€abcdef'], 'aä\n[… 6 bytes left out …]\ndef'],
  ['a character cut half in the head', 8, ['ab€xxxxxxx', 'yz'], 'ab\n[… 8 bytes left out …]\nxxyz'],
  ['a character cut at the start of the tail', 8, ['abcdefgh', '€xy'], 'abcd\n[… 7 bytes left out …]\nxy'],
  ['characters of four bytes', 12, ['😀😀😀😀'], '😀\n[… 8 bytes left out …]\n😀'],
];

for (const [name, maxBytes, chunks, text] of TABLE) {
  test(`what is kept of ${name}`, () => {
    assert.equal(captured(maxBytes, ...chunks).toString(), text);
  });
}

test('bytes that are not UTF-8 become replacement characters', () => {
  assert.equal(captured(10, Uint8Array.of(0x61, 0xff, 0x62)).toString(), 'a\ufffdb');
});

test('how output is cut into chunks makes no difference', () => {
  const input = fc.tuple(fc.nat(40), fc.array(fc.uint8Array({ maxLength: 30 })));
  fc.assert(
    fc.property(input, ([maxBytes, chunks]) => {
      const whole = captured(maxBytes, Buffer.concat(chunks));
      const pieces = captured(maxBytes, ...chunks);
      assert.equal(pieces.toString(), whole.toString());
      assert.equal(pieces.totalBytes, whole.totalBytes);
      assert.equal(pieces.truncated, whole.totalBytes > maxBytes);
    }),
  );
});

test('of text, nothing is mangled, and kept bytes and left out bytes make up the total', () => {
  fc.assert(
    fc.property(fc.nat(40), fc.array(fc.constantFrom('a', 'ä', '€', '😀')), (maxBytes, characters) => {
      const clean = characters.join('');
      const capture = captured(maxBytes, clean);
      if (!capture.truncated) {
        assert.equal(capture.toString(), clean);
        return;
      }
      const cut = /^(.*)\n\[… (\d+) bytes left out …\]\n(.*)$/su.exec(capture.toString());
      assert.ok(cut !== null);
      const [, head = '', leftOut, tail = ''] = cut;
      assert.ok(clean.startsWith(head) && clean.endsWith(tail));
      assert.equal(Buffer.byteLength(head) + Buffer.byteLength(tail) + Number(leftOut), capture.totalBytes);
      assert.ok(Buffer.byteLength(head) + Buffer.byteLength(tail) <= maxBytes);
    }),
  );
});
