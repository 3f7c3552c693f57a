/**
 * Bounds a packet's structure before it is parsed: 32 MiB of brackets, 40 KB as gzip, parse to 16 million lists in 1.7 GB of
 * memory, long before the schema could refuse them.
 */

/** Lists and objects: twice what a packet's lists may hold. */
const MAX_CONTAINERS = 2_100_000;
const MAX_VALUES = 8_000_000;
/** Most fields of one object. */
const MAX_FIELDS = 1_000;
/** A packet of today has three levels. */
const MAX_DEPTH = 16;

const [QUOTE, COMMA, BACKSLASH, LIST, LIST_END, OBJECT, OBJECT_END] = Buffer.from('",\\[]{}');

/** Throws a RangeError. Invalid JSON may pass; the parser refuses it. */
export function checkJsonBounds(text: Buffer): void {
  const fields = new Int32Array(MAX_DEPTH + 1);
  let [containers, values, depth] = [0, 0, 0];
  for (let at = 0; at < text.length; at++) {
    const byte = text[at];
    if (byte === QUOTE) {
      at = endOfString(text, at);
    } else if (byte === COMMA) {
      values += 1;
      const count = (fields[depth] ?? 0) + 1;
      fields[depth] = count;
      if (values > MAX_VALUES) throw tooMany(MAX_VALUES, 'values');
      if (count >= MAX_FIELDS) throw tooMany(MAX_FIELDS, 'fields in one object');
    } else if (byte === LIST || byte === OBJECT) {
      containers += 1;
      depth += 1;
      if (containers > MAX_CONTAINERS) throw tooMany(MAX_CONTAINERS, 'lists and objects');
      if (depth > MAX_DEPTH) throw tooMany(MAX_DEPTH, 'levels');
      // A list may have any number of values: the schema bounds its length.
      fields[depth] = byte === LIST ? -MAX_VALUES : 0;
    } else if (byte === LIST_END || byte === OBJECT_END) {
      depth = Math.max(0, depth - 1);
    }
  }
}

/** Index of the closing quote of the string at `start`, or the text's end. */
function endOfString(text: Buffer, start: number): number {
  let end = start + 1;
  while (end < text.length && text[end] !== QUOTE) end += text[end] === BACKSLASH ? 2 : 1;
  return end;
}

function tooMany(most: number, what: string): RangeError {
  return new RangeError(`has more than ${String(most)} ${what}`);
}
