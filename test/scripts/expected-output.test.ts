import assert from 'node:assert/strict';
import test from 'node:test';
import { mismatch } from '../../scripts/expected-output.js';

const FITS: readonly (readonly [name: string, expected: string, output: string])[] = [
  ['the same lines', 'a\nb\n', 'a\nb\n'],
  ['a last line without its newline', 'a', 'a\n'],
  ['an expression for a whole line', '/took \\d+ ms/', 'took 12 ms\n'],
  ['a lone slash, which is text', '/\n/etc', '/\n/etc\n'],
  ['dots for no line', 'a\n...\nb', 'a\nb\n'],
  ['dots for several lines, the wanted one among them', 'a\n...\nb', 'a\nb\nx\nb\n'],
  ['dots at the end', 'a\n...', 'a\nx\ny\n'],
];

for (const [name, expected, output] of FITS) {
  test(`${name} fits`, () => {
    assert.equal(mismatch(expected, output), undefined);
  });
}

const MISFITS: readonly (readonly [name: string, expected: string, output: string, message: RegExp])[] = [
  ['another line', 'a\nb', 'a\nc\n', /^line 2 of the expected ones, "b", is not met by "c" \(line 2\)$/],
  ['a line too few', 'a\nb', 'a\n', /"b", is not met by the end of the output/],
  ['a line too many', 'a', 'a\nb\n', /^"b" \(line 2\) comes after the last expected line$/],
  ['an expression for a part of the line', '/took/', 'took 12 ms\n', /"\/took\/", is not met by "took 12 ms"/],
  ['lines in another order', 'a\n...\nb', 'b\na\n', /"a", is not met by "b"/],
  ['what never comes after dots', '...\nb', 'a\n', /"b", is not met by "a"/],
  ['an empty list of expectations', '', 'a\n', /is empty/],
];

for (const [name, expected, output, message] of MISFITS) {
  test(`${name} does not fit`, () => {
    assert.match(mismatch(expected, output) ?? '', message);
  });
}
