/** Bytes that no encoder of ours writes, each with the vice it has. */
import { encode } from '../../src/queue/wire/codec/codec.js';

const HEADER = [0xff, 0x0f];
/** V8's tag for what an embedder writes, and our numbers behind it. */
const OURS = 0x5c;
const [ERROR, BYTES, UINT16_VIEW, DATA_VIEW] = [0, 1, 6, 13];
/** V8's: an ArrayBuffer of 8 bytes, and the integer 1. */
const BUFFER_OF_8 = [0x42, 8, ...new Array<number>(8).fill(1)];
const ONE = [0x49, 2];
const TIMES = 20_000;
const FOUR_GIB = [0xff, 0xff, 0xff, 0xff, 0x0f];

function bytes(...content: number[]): Uint8Array {
  return Uint8Array.of(...HEADER, ...content);
}

function repeated(...unit: number[]): Uint8Array {
  const whole = new Uint8Array(HEADER.length + unit.length * TIMES);
  whole.set(HEADER);
  for (let index = 0; index < TIMES; index += 1) whole.set(unit, HEADER.length + index * unit.length);
  return whole;
}

/** Unreadable, all of them. */
export const UNREADABLE: Readonly<Record<string, Uint8Array>> = {
  'no header': Uint8Array.of(...ONE),
  'half a header': Uint8Array.of(0xff),
  'nothing behind the header': bytes(),
  'an older wire version': Uint8Array.of(0xff, 0x0e, ...ONE),
  'a newer wire version': Uint8Array.of(0xff, 0x10, ...ONE),
  'bytes behind the value': bytes(...ONE, 0),
  'an unknown tag of V8': bytes(0x01),
  'an unknown number of ours': bytes(OURS, 99),
  'an error of an unknown class': bytes(OURS, ERROR, 8),
  'an error without a record': bytes(OURS, ERROR, 0),
  'an error with unknown fields': bytes(OURS, ERROR, 0, 64),
  'an error whose fields are missing': bytes(OURS, ERROR, 0, 3),
  'an error whose name is a number': bytes(OURS, ERROR, 0, 1, ...ONE),
  'an error whose message is a number': bytes(OURS, ERROR, 0, 2, ...ONE),
  'an error whose stack is a number': bytes(OURS, ERROR, 0, 4, ...ONE),
  'bytes that claim 4 GiB': bytes(OURS, BYTES, ...FOUR_GIB),
  'a view of a number': bytes(OURS, UINT16_VIEW, 0, 2, ...ONE),
  'a view beyond its ArrayBuffer': bytes(OURS, UINT16_VIEW, 8, 2, ...BUFFER_OF_8),
  'a view that claims 4 GiB': bytes(OURS, DATA_VIEW, 0, ...FOUR_GIB, ...BUFFER_OF_8),
  'a view at half an element': bytes(OURS, UINT16_VIEW, 1, 2, ...BUFFER_OF_8),
  'a view of half an element': bytes(OURS, UINT16_VIEW, 0, 3, ...BUFFER_OF_8),
  'a view of itself': bytes(OURS, UINT16_VIEW, 0, 2, 0x5e, 0),
  'a shared ArrayBuffer': bytes(0x75, 0),
  'a module of WebAssembly': bytes(0x77, 0),
  'an ArrayBuffer that claims 4 GiB': bytes(0x42, ...FOUR_GIB),
  'text that claims 4 GiB': bytes(0x22, ...FOUR_GIB),
  'a list that claims 4 G elements': bytes(0x41, ...FOUR_GIB),
  'a reference to nothing': bytes(0x5e, 5),
  'many nested objects': repeated(0x6f, 0x22, 1, 0x61),
  'many nested lists': repeated(0x41, 1),
  'many nested views': repeated(OURS, UINT16_VIEW, 0, 2),
};

/** A small generator of reproducible numbers, from 0 up to 1 (mulberry32). */
export function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Encodings of values with a few bytes changed, cut, doubled or joined with those of another. */
export function* mutations(values: readonly unknown[], count: number, seed: number): Generator<Uint8Array> {
  const random = numbersFrom(seed);
  const pick = (below: number): number => Math.floor(random() * below);
  const encodings = values.map(encode).filter(each => each.byteLength > 2 && each.byteLength < 2000);
  for (let made = 0; made < count; made += 1) {
    const one = encodings[pick(encodings.length)]?.slice() ?? bytes();
    const other = encodings[pick(encodings.length)] ?? bytes();
    for (let changes = pick(4); changes >= 0; changes -= 1) one[2 + pick(one.length - 2)] = pick(256);
    const cut = 2 + pick(one.length - 2);
    const how = pick(4);
    if (how === 0) yield one.subarray(0, cut);
    else if (how === 1) yield Uint8Array.of(...one.subarray(0, cut), ...other.subarray(2 + pick(other.length - 2)));
    else if (how === 2) yield Uint8Array.of(...one.subarray(0, cut), ...one.subarray(Math.max(2, cut - pick(20))));
    else yield one;
  }
}
