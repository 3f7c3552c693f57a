import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Serializer, serialize } from 'node:v8';
import fc from 'fast-check';
import { NotCloneableError, UnreadableValueError, decode, encode } from '../../../../src/queue/wire/codec/codec.js';
import { anything, buildGraph, graphs } from '../../../support/graphs.js';
import { UNREADABLE, mutations } from '../../../support/hostile-bytes.js';
import { REFUSED } from '../../../support/refused-values.js';
import { PLAIN_VALUES, VALUES, arrivalOf, assertSame } from '../../../support/values.js';

const SEED = 20;

function roundTrip(value: unknown): unknown {
  return decode(encode(value));
}

/** Takes the way of values that hold errors. */
function roundTripBesideError(value: unknown): unknown {
  const [first] = roundTrip([value, new Error('beside')]) as unknown[];
  return first;
}

/** What was thrown; fails if nothing was. */
function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return assert.fail('nothing was thrown');
}

for (const entry of VALUES) {
  test(`${entry.name}: arrives as it was sent, alone, inside of others and beside an error`, () => {
    assertSame(roundTrip(entry.make()), arrivalOf(entry));
    assertSame(roundTrip(new Map([[1, [entry.make()]]])), new Map([[1, [arrivalOf(entry)]]]));
    assertSame(roundTripBesideError([entry.make()]), [arrivalOf(entry)]);
  });
}

test('the table names each value once', () => {
  assert.equal(new Set(VALUES.map(({ name }) => name)).size, VALUES.length);
});

test('values without errors and Buffers arrive just as from a structured clone', () => {
  for (const entry of PLAIN_VALUES) assertSame(structuredClone(entry.make()), arrivalOf(entry));
});

test('whatever a structured clone keeps, the codec keeps', () => {
  fc.assert(
    fc.property(anything, value => {
      const expected = structuredClone(value);
      assertSame(roundTrip(value), expected);
      assertSame(roundTripBesideError(value), expected);
    }),
    { seed: SEED, numRuns: 500 },
  );
});

test('object graphs with errors, cycles and shared references keep their shape', () => {
  fc.assert(
    fc.property(graphs, graph => assertSame(roundTrip(buildGraph(graph)), buildGraph(graph))),
    { seed: SEED, numRuns: 500 },
  );
});

test('undefined takes no bytes at all', () => {
  assert.equal(encode(undefined).byteLength, 0);
  assert.equal(decode(new Uint8Array(0)), undefined);
});

test('what is encoded comes as a plain Uint8Array', () => {
  assert.equal(Object.getPrototypeOf(encode([1])), Uint8Array.prototype);
});

test('an error keeps the stack of where it was made', () => {
  const error = new TypeError('x', { cause: new Error('y') });
  const arrived = roundTrip(error) as TypeError;
  assert.equal(arrived.stack, error.stack);
  assert.equal((arrived.cause as Error).stack, (error.cause as Error).stack);
});

test('an error without a stack gets none on the way', () => {
  const error = Object.defineProperty(new Error('x'), 'stack', { value: undefined });
  assert.equal((roundTrip(error) as Error).stack, undefined);
});

test('decoding errors leaves the length of stacks as it was', () => {
  const before = Error.stackTraceLimit;
  roundTrip(new Error('x'));
  assert.equal(Error.stackTraceLimit, before);
});

test('of an error, only its code shows among its keys', () => {
  const error = roundTrip(Object.assign(new AggregateError([1], 'x', { cause: 2 }), { code: 'E' })) as Error;
  assert.deepEqual(Object.keys(error), ['code']);
});

test('a field of an error that cannot be read does not hide the error', () => {
  const error = new Error('x');
  Object.defineProperty(error, 'cause', {
    get() {
      throw new Error('no');
    },
  });
  assert.equal((roundTrip(error) as Error).message, 'x');
});

test('a chain of ten thousand causes arrives whole', () => {
  let error = new Error('0');
  for (let index = 1; index < 10_000; index += 1) error = new Error(String(index), { cause: error });
  let length = 0;
  for (let at: unknown = roundTrip(error); at instanceof Error; at = at.cause) length += 1;
  assert.equal(length, 10_000);
});

test('what V8 alone refuses does not cost the error that it hangs on', () => {
  const shared = { a: 1 };
  const error = new Error('kept', { cause: { handle: new Serializer(), shared } });
  const [arrived, rest] = roundTrip([error, shared]) as [Error, unknown];
  assert.equal(arrived.message, 'kept');
  assert.equal(typeof arrived.cause, 'string');
  assert.deepEqual(rest, shared);
});

test('what is lost with a cause that cannot travel is not missing elsewhere', () => {
  // `part` is complete only through `whole`, which cannot travel; so neither can `part`.
  const part: Record<string, unknown> = {};
  const whole = { part, callback: () => 1 };
  part['whole'] = whole;
  const error = new Error('x', { cause: whole });
  assert.throws(() => encode([error, part]), /^NotCloneableError: cannot clone \[1\]\.whole\.callback: a function$/);
  const second = new Error('y', { cause: part });
  for (const arrived of roundTrip([error, second]) as Error[]) assert.equal(typeof arrived.cause, 'string');
});

test('getters are read once', () => {
  for (const beside of [1, new Error('beside')]) {
    let reads = 0;
    const value = {
      get read() {
        reads += 1;
        return new Error(String(reads));
      },
    };
    const [{ read }] = roundTrip([value, beside]) as [{ read: Error }];
    assert.equal(read.message, '1');
    assert.equal(reads, 1);
  }
});

test('encoding changes nothing in what it is given', () => {
  for (const entry of VALUES.filter(({ arrives }) => arrives === undefined)) {
    const [value, untouched] = [entry.make(), entry.make()];
    encode([value, new Error('beside')]);
    assertSame(value, untouched);
  }
});

for (const { name, make, says } of REFUSED) {
  test(`${name}: refused with its path, and only described where it hangs on an error`, () => {
    const error = thrownBy(() => encode([{ callback: make() }]));
    assert.ok(error instanceof NotCloneableError);
    assert.equal(error.code, 'ERR_NOT_CLONEABLE');
    assert.equal(error.name, 'NotCloneableError');
    const [before, after] = error.message.split(/: (?=[^:]*$)/);
    assert.match(String(before), /^cannot clone \[0\]\.callback/);
    assert.equal(after, says);
    const arrived = roundTrip(new Error('kept', { cause: make() })) as Error;
    assert.equal(arrived.message, 'kept');
    assert.equal(typeof arrived.cause, 'string');
  });
}

test('a refusal gives the path through every kind of container', () => {
  const paths: [unknown, string][] = [
    [Symbol('s'), 'the value'],
    [{ a: { 'b c': [Symbol('s')] } }, 'a["b c"][0]'],
    [new Map([[Symbol('s'), 1]]), '.keys()[0]'],
    [{ m: new Map([['k', Symbol('s')]]) }, 'm.values()[0]'],
    [[new Set([1, Symbol('s')])], '[0].values()[1]'],
  ];
  for (const [value, path] of paths) {
    assert.throws(() => encode(value), { message: `cannot clone ${path}: a symbol` });
  }
});

test('a thousand levels of nesting travel, one more is refused', () => {
  for (const wrap of [
    each => [each],
    each => ({ each }),
    each => new Map([[each, each]]),
    each => new Set([each]),
  ] as ((each: unknown) => unknown)[]) {
    let value: unknown = 1;
    for (let level = 0; level < 1000; level += 1) value = wrap(value);
    encode(decode(encode(value)));
    roundTripBesideError(Array.isArray(value) ? value[0] : 1);
    assert.throws(() => encode(wrap(value)), NotCloneableError);
    assert.throws(() => encode([wrap(value), new Error('beside')]), NotCloneableError);
  }
});

test('a getter that throws refuses the value and is its cause', () => {
  const cause = new Error('no');
  const value = {
    get bad() {
      throw cause;
    },
  };
  const error = thrownBy(() => encode(value));
  assert.ok(error instanceof NotCloneableError);
  assert.equal(error.cause, cause);
});

test('classes of the program travel as plain objects, whatever their name', () => {
  class Response {
    readonly status = 200;
  }
  class Plan {
    readonly steps = [1];
  }
  Object.assign(globalThis, { Plan });
  try {
    assertSame(roundTrip([new Response(), new Plan()]), [{ status: 200 }, { steps: [1] }]);
  } finally {
    Reflect.deleteProperty(globalThis, 'Plan');
  }
});

test('nothing decoded refers to the bytes it came from, nor to any others', () => {
  for (const entry of VALUES) {
    const bytes = encode(entry.make());
    const frame = new Uint8Array(bytes.byteLength + 40).fill(0xee);
    const within = frame.subarray(13, 13 + bytes.byteLength);
    within.set(bytes);
    const value = decode(within);
    frame.fill(0);
    assertSame(value, arrivalOf(entry));
  }
});

test('a Buffer brings nothing of its pool along', () => {
  const bytes = roundTrip(Buffer.from('ab')) as Uint8Array;
  assert.equal(bytes.buffer.byteLength, 2);
});

for (const [vice, bytes] of Object.entries(UNREADABLE)) {
  test(`${vice}: unreadable, with its cause`, () => {
    const error = thrownBy(() => decode(bytes));
    assert.ok(error instanceof UnreadableValueError);
    assert.equal(error.code, 'ERR_UNREADABLE_VALUE');
    assert.ok(error.cause instanceof Error);
  });
}

test('a value that is cut off is unreadable wherever it ends', () => {
  const bytes = encode([new Error('x', { cause: { a: Buffer.from('b') } }), new Map([[1, new Uint16Array(2)]])]);
  for (let end = 1; end < bytes.byteLength; end += 1) {
    assert.throws(() => decode(bytes.subarray(0, end)), UnreadableValueError, `cut at ${String(end)}`);
  }
});

test('an own __proto__ key changes no prototype', () => {
  const value = decode(serialize(JSON.parse('{"__proto__": {"polluted": 1}}'))) as { polluted?: number };
  assert.equal(value.polluted, undefined);
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
});

test('bytes changed at random are a value of its own or unreadable', () => {
  const own = Object.getOwnPropertyNames(Object.prototype);
  const values = VALUES.map(entry => entry.make());
  for (const bytes of mutations(values, 10_000, SEED)) {
    let value: unknown;
    try {
      value = decode(bytes);
    } catch (error) {
      assert.ok(error instanceof UnreadableValueError);
      continue;
    }
    assertNoWindow(value, bytes, new Set());
  }
  assert.deepEqual(Object.getOwnPropertyNames(Object.prototype), own);
});

function assertNoWindow(value: unknown, bytes: Uint8Array, seen: Set<unknown>): void {
  if (typeof value !== 'object' || value === null || seen.has(value)) return;
  seen.add(value);
  if (ArrayBuffer.isView(value)) assert.notEqual(value.buffer, bytes.buffer);
  else if (value instanceof Map) for (const each of [...value].flat()) assertNoWindow(each, bytes, seen);
  else if (value instanceof Set) for (const each of value) assertNoWindow(each, bytes, seen);
  else if (value instanceof Error) assertNoWindow([value.cause, Reflect.get(value, 'errors')], bytes, seen);
  else for (const each of Object.values(value)) assertNoWindow(each, bytes, seen);
}
