/**
 * The one table of values that must survive every trip: through the codec alone, through fake, local and ssh drones, and
 * between any two versions of Node. Made anew at each call, alike on all versions, of nothing but Node 18's classes.
 */
export { assertSame } from './same.js';

export interface ValueCase {
  readonly name: string;
  make(): unknown;
  /** What arrives, where it is not just like what was sent. */
  arrives?(): unknown;
}

/** What must come out at the other end of the trip. */
export function arrivalOf(entry: ValueCase): unknown {
  return entry.arrives ? entry.arrives() : entry.make();
}

class Point {
  readonly x = 1;
  readonly y = { deep: true };
  #hidden = 7;
  get sum(): number {
    return this.x + this.#hidden;
  }
}

class LateError extends Error {
  override readonly name = 'LateError';
  readonly code = 'ERR_LATE';
}

class Bag extends Map<number, number> {}
class List extends Array<number> {}
class Octets extends Int8Array {}
class NamelessTypeError extends TypeError {}

/** With a stack that is the same wherever it is made. */
function fixed<E extends Error>(error: E, fields: Record<string, unknown> = {}): E {
  Object.defineProperty(error, 'stack', {
    value: `${error.name}: ${error.message}\n    at a place (file.js:1:2)`,
    writable: true,
    configurable: true,
  });
  return Object.assign(error, fields);
}

/** As an error arrives whose name is not a built-in one. */
function named<E extends Error>(error: E, name: string, fields: Record<string, unknown> = {}): E {
  Object.defineProperty(error, 'name', { value: name, writable: true, configurable: true });
  return fixed(error, fields);
}

function setCause(error: Error, cause: unknown): void {
  Object.defineProperty(error, 'cause', { value: cause, writable: true, configurable: true });
}

function build<T>(value: T, then: (value: T) => void): T {
  then(value);
  return value;
}

const PRIMITIVES: ValueCase[] = [
  ...[undefined, null, true, false, 0, -0, 1, -1, 1.5, NaN, Infinity, -Infinity].map(value => ({
    name: Object.is(value, -0) ? '-0' : String(value),
    make: () => value,
  })),
  ...[2 ** 30, -(2 ** 30), 2 ** 31, 2 ** 32, 2 ** 53, Number.MIN_VALUE, Number.MAX_VALUE].map(value => ({
    name: `number ${String(value)}`,
    make: () => value,
  })),
  ...[0n, -1n, 2n ** 64n, -(2n ** 200n) + 1n].map(value => ({ name: `bigint ${String(value)}`, make: () => value })),
  { name: 'empty text', make: () => '' },
  { name: 'Latin-1 text', make: () => 'caf\u00e9 \u0000 \n' },
  { name: 'text beyond Latin-1', make: () => 'łódź 日本 🚀' },
  { name: 'lone surrogates', make: () => ['\ud800', 'a\udc00b', '\udfff\ud800'] },
  { name: 'long text', make: () => 'x'.repeat(70_000) + 'ž' },
];

const CONTAINERS: ValueCase[] = [
  { name: 'empty object', make: () => ({}) },
  { name: 'empty list', make: () => [] },
  { name: 'undefined properties', make: () => ({ a: undefined, b: [undefined, undefined] }) },
  { name: 'index-like keys', make: () => ({ b: 1, 10: 'ten', 2: 'two', a: 2, '-1': 3, '': 4, 4294967295: 5 }) },
  { name: 'holes', make: () => [1, , , -0, , undefined, ,] },
  { name: 'sparse list', make: () => build([] as number[], list => ((list[100_000] = 1), (list[3] = 2))) },
  { name: 'list of nothing but holes', make: () => new Array<number>(5) },
  { name: 'list with named properties', make: () => Object.assign([1, 2], { index: 3, groups: { a: 1 } }) },
  {
    name: 'match of a RegExp',
    make: () => /(\d+)-(x)?/.exec('in 2026-'),
  },
  {
    name: 'own __proto__ key',
    make: () => JSON.parse('{"__proto__": {"polluted": 1}, "a": {"__proto__": null}}') as unknown,
  },
  { name: 'own constructor and toString keys', make: () => ({ constructor: 1, toString: 2, hasOwnProperty: 3 }) },
  { name: 'Map', make: () => new Map<unknown, unknown>([[1, 'a'], ['1', NaN], [{ k: 1 }, new Map()], [undefined, -0]]) }, // prettier-ignore
  { name: 'Set', make: () => new Set<unknown>([3, '3', {}, [1], null, NaN, undefined]) },
  { name: 'Dates', make: () => [new Date(0), new Date(-1e12), new Date(8.64e15), new Date(NaN)] },
  {
    name: 'boxed primitives',
    make: () => [Object(1), Object(-0), Object('abc'), Object(false), Object(10n)] as unknown[],
  },
  {
    name: 'RegExps',
    make: () => [/a(?:b|c)(?=d)(?<!e)/gimsuy, /\p{Script=Greek}/u, /[(?i:]\/(?<a>.)/d, new RegExp('')],
  },
  {
    name: 'cycle',
    make: () => build<Record<string, unknown>>({ a: {} }, it => ((it['self'] = it), (it['list'] = [it]))),
  },
  { name: 'cycle through a Map', make: () => build(new Map<unknown, unknown>(), map => map.set(map, new Set([map]))) },
  { name: 'shared references', make: sharedReferences },
  { name: 'deep nesting', make: () => nested(900) },
  {
    name: 'many small objects',
    make: () => Array.from({ length: 500 }, (_, id) => ({ id, tags: ['a', `b${String(id)}`] })),
  },
  {
    name: 'null prototype',
    make: () => Object.assign(Object.create(null), { a: 1 }) as unknown,
    arrives: () => ({ a: 1 }),
  },
  { name: 'class instance', make: () => [new Point()], arrives: () => [{ x: 1, y: { deep: true } }] },
  { name: 'getter', make: () => ({ get once() { return [1]; } }), arrives: () => ({ once: [1] }) }, // prettier-ignore
  { name: 'symbol keys', make: () => ({ [Symbol('s')]: 1, a: 2 }), arrives: () => ({ a: 2 }) },
  { name: 'frozen', make: () => Object.freeze([Object.freeze({ a: 1 })]), arrives: () => [{ a: 1 }] },
  { name: 'Map subclass', make: () => new Bag([[1, 2]]), arrives: () => new Map([[1, 2]]) },
  { name: 'list subclass', make: () => List.of(1, 2, 3), arrives: () => [1, 2, 3] },
  {
    name: 'key that is not enumerable',
    make: () => Object.defineProperty({ a: 1 }, 'b', { value: () => 2, enumerable: false }),
    arrives: () => ({ a: 1 }),
  },
  { name: 'inherits from Map.prototype', make: () => Object.create(Map.prototype) as unknown, arrives: () => ({}) },
  { name: 'Map without its prototype', make: () => Object.setPrototypeOf(new Map([[1, {}]]), null) as unknown, arrives: () => new Map([[1, {}]]) }, // prettier-ignore
];

const BYTES: ValueCase[] = [
  { name: 'ArrayBuffer', make: () => Uint8Array.of(1, 2, 3).buffer },
  { name: 'empty bytes', make: () => [new ArrayBuffer(0), new Uint8Array(0), new DataView(new ArrayBuffer(0))] },
  { name: 'typed arrays', make: typedArrays },
  { name: 'view of a part', make: () => new Uint16Array(Uint8Array.from({ length: 20 }, (_, i) => i).buffer, 4, 3) },
  { name: 'views on one ArrayBuffer', make: viewsOnOne },
  { name: 'one view twice', make: () => twice(Float64Array.of(1, -0, NaN)) },
  { name: 'large bytes', make: () => new Uint8Array(100_000).fill(7) },
  { name: 'typed array subclass', make: () => new Octets(2), arrives: () => new Int8Array(2) },
];

/** A structured clone would bring the whole pool along that a Buffer is cut from. */
const BUFFERS: ValueCase[] = [
  {
    name: 'Buffer',
    make: () => Buffer.from('own bytes only'),
    arrives: () => new TextEncoder().encode('own bytes only'),
  },
  { name: 'empty Buffer', make: () => [Buffer.alloc(0)], arrives: () => [new Uint8Array(0)] },
  {
    name: 'Buffers of one pool',
    make: () => ['a', 'b'].map(each => Buffer.from(each)),
    arrives: () => [Uint8Array.of(97), Uint8Array.of(98)],
  },
  { name: 'one Buffer twice', make: () => pair(Buffer.from('ab')), arrives: () => pair(Uint8Array.of(97, 98)) },
];

const ERRORS: ValueCase[] = [
  ...[Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError].map(each => ({
    name: each.name,
    make: () => fixed(new each('what happened')),
  })),
  { name: 'error without message', make: () => fixed(new Error()) },
  { name: 'error with an empty message', make: () => fixed(new Error('')) },
  { name: 'error with a code', make: () => fixed(new RangeError('no'), { code: 'ERR_NO' }) },
  {
    name: 'codes of any kind',
    make: () => [20, undefined, null, { a: 1 }].map(code => fixed(new Error('x'), { code })),
  },
  {
    name: 'cause',
    make: () => fixed(new Error('a', { cause: fixed(new TypeError('b', { cause: fixed(new Error('c')) })) })),
  },
  { name: 'undefined as cause', make: () => fixed(new Error('a', { cause: undefined })) },
  {
    name: 'cause that is not an error',
    make: () => fixed(new Error('a', { cause: { why: new Map([[1, [Uint8Array.of(1)]]]) } })),
  },
  {
    name: 'AggregateError',
    make: () => fixed(new AggregateError([fixed(new Error('1')), 'two', { three: 3 }], 'all')),
  },
  { name: 'AggregateError without errors', make: () => fixed(new AggregateError([], 'none', { cause: 1 })) },
  { name: 'errors in containers', make: errorsInContainers },
  { name: 'error that is its own cause', make: () => build(fixed(new Error('loop')), error => setCause(error, error)) },
  { name: 'cycle through a cause', make: cycleThroughCause },
  { name: 'error among views on one ArrayBuffer', make: () => [viewsOnOne(), fixed(new Error('x')), viewsOnOne()] },
  { name: 'chain of many causes', make: () => chain(100) },
  {
    name: 'error class',
    make: () => fixed(new LateError('too late')),
    arrives: () => named(new Error('too late'), 'LateError', { code: 'ERR_LATE' }),
  },
  {
    name: 'error class without a name',
    make: () => fixed(new NamelessTypeError('odd')),
    arrives: () => fixed(new TypeError('odd')),
  },
  {
    name: 'renamed error',
    make: () => named(new TypeError('x'), 'OddError'),
    arrives: () => named(new TypeError('x'), 'OddError'),
  },
  {
    name: 'DOMException',
    make: () => fixed(new DOMException('stopped', 'AbortError')),
    arrives: () => named(new Error('stopped'), 'AbortError', { code: 20 }),
  },
  {
    name: 'properties of an error but code',
    make: () => fixed(new Error('x'), { errno: -2, code: 'ENOENT', path: '/', errors: [1] }),
    arrives: () => fixed(new Error('x'), { code: 'ENOENT' }),
  },
  {
    name: 'cause that cannot travel',
    make: () => [
      fixed(
        new Error('kept', {
          cause: {
            callback: function done() {
              return 1;
            },
          },
        }),
      ),
    ],
    arrives: () => [fixed(new Error('kept', { cause: '{ callback: [Function: done] }' }))],
  },
  {
    name: 'one of several errors that cannot travel',
    make: () => fixed(new AggregateError([1, Symbol('s'), fixed(new Error('2'))], 'some')),
    arrives: () => fixed(new AggregateError([1, 'Symbol(s)', fixed(new Error('2'))], 'some')),
  },
  {
    name: 'error beside a class instance and a Buffer',
    make: () => ({ point: new Point(), error: fixed(new Error('x')), bytes: Buffer.from([1, 2]) }),
    arrives: () => ({ point: { x: 1, y: { deep: true } }, error: fixed(new Error('x')), bytes: Uint8Array.of(1, 2) }),
  },
];

/** Those that a structured clone keeps just so. */
export const PLAIN_VALUES: readonly ValueCase[] = [...PRIMITIVES, ...CONTAINERS, ...BYTES];

/** The table. Names are unique. */
export const VALUES: readonly ValueCase[] = [...PLAIN_VALUES, ...BUFFERS, ...ERRORS];

function sharedReferences(): unknown {
  const [leaf, list, date] = [{ n: 1 }, [1], new Date(5)];
  return { a: leaf, b: leaf, list: [list, list], map: new Map<unknown, unknown>([[leaf, list]]), dates: [date, date] };
}

function pair(value: object): object[] {
  return [value, value];
}

function twice(view: Float64Array): unknown {
  return { first: view, again: [view], buffer: view.buffer };
}

function nested(levels: number): unknown {
  let value: unknown = 'innermost';
  for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? { value } : [value];
  return value;
}

function chain(length: number): Error[] {
  let error = fixed(new Error('0'));
  for (let index = 1; index < length; index += 1) error = fixed(new Error(String(index), { cause: error }));
  return [error];
}

function typedArrays(): unknown {
  return [
    ...[Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array].map(each => each.of(1, 2, 255)),
    ...[Int32Array, Uint32Array, Float32Array, Float64Array].map(each => each.of(1, -2, 1.5)),
    ...[BigInt64Array, BigUint64Array].map(each => each.of(1n, -1n)),
    new DataView(Uint8Array.of(9, 8, 7).buffer, 1, 2),
  ];
}

function viewsOnOne(): unknown {
  const buffer = new ArrayBuffer(24);
  const bytes = new Uint8Array(buffer, 3, 5).fill(9);
  return { bytes, words: new Uint32Array(buffer, 8, 2), view: new DataView(buffer, 1), buffer, same: bytes };
}

function errorsInContainers(): unknown {
  const error = fixed(new Error('one'), { code: 'ONE' });
  const list = Object.assign([error, 1], { extra: error, length: 4 });
  return { list, map: new Map<unknown, unknown>([[error, { error }]]), set: new Set([error, fixed(new Error('two'))]) };
}

function cycleThroughCause(): unknown {
  const context: Record<string, unknown> = { list: [] };
  const error = fixed(new Error('x', { cause: context }));
  context['error'] = error;
  context['errors'] = fixed(new AggregateError([error, context], 'y'));
  return { context, error };
}
