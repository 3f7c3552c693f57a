/** Values that no drone gets: refused by the sender, on every version of Node that has them, in the same words. */
import { createSecretKey } from 'node:crypto';
import { BlockList, SocketAddress } from 'node:net';
import { createHistogram } from 'node:perf_hooks';

export interface RefusedCase {
  readonly name: string;
  make(): unknown;
  /** The end of the message, after "cannot clone …: ". */
  readonly says: string;
  /** First major version of Node that has such values. */
  readonly since?: number;
}

const RESIZABLE = 'a resizable ArrayBuffer, which Node 18 cannot read';

function instance(name: string, make: () => unknown): RefusedCase {
  return { name, make, says: `an instance of ${name}` };
}

/** `new globalThis[name](...args)`, since not every Node has every class. */
function construct(name: string, ...args: unknown[]): unknown {
  return Reflect.construct(Reflect.get(globalThis, name) as new () => unknown, args);
}

function resizable(): ArrayBuffer {
  return construct('ArrayBuffer', 8, { maxByteLength: 16 }) as ArrayBuffer;
}

function detached(): ArrayBuffer {
  const buffer = new ArrayBuffer(8);
  structuredClone(buffer, { transfer: [buffer] });
  return buffer;
}

function regExp(name: string, source: string, flags: string, says: string, since: number): RefusedCase {
  return { name, make: () => new RegExp(source, flags), says: `a RegExp with ${says}`, since };
}

const ALL: readonly RefusedCase[] = [
  { name: 'a function', make: () => () => 1, says: 'a function' },
  { name: 'a class', make: () => URL, says: 'a function' },
  { name: 'a symbol', make: () => Symbol('s'), says: 'a symbol' },
  { name: 'a Symbol object', make: () => Object(Symbol('s')) as unknown, says: 'a Symbol object' },
  { name: 'a Proxy of an object', make: () => new Proxy({ a: 1 }, {}), says: 'a Proxy' },
  { name: 'a Proxy of a list', make: () => new Proxy([1], {}), says: 'a Proxy' },
  { name: 'a Proxy of an error', make: () => new Proxy(new Error('x'), {}), says: 'a Proxy' },
  { name: 'a Promise', make: () => Promise.resolve(1), says: 'a Promise' },
  { name: 'a WeakMap', make: () => new WeakMap(), says: 'a WeakMap' },
  { name: 'a WeakSet', make: () => new WeakSet(), says: 'a WeakSet' },
  instance('WeakRef', () => new WeakRef({})),
  instance('FinalizationRegistry', () => new FinalizationRegistry(() => 1)),
  { name: 'a generator', make: () => [1].values(), says: 'an iterator' },
  { name: 'an async generator', make: () => asynchronous(), says: 'an iterator' },
  { name: 'a Map iterator', make: () => new Map().entries(), says: 'an iterator' },
  { name: 'an arguments object', make: () => argumentsOf(1, 2), says: 'an arguments object' },
  { name: 'an arguments object without elements', make: () => argumentsOf(), says: 'an arguments object' },
  instance('Collator', () => new Intl.Collator()),
  instance('URL', () => new URL('http://web1/')),
  instance('URLSearchParams', () => new URLSearchParams('a=1')),
  instance('Blob', () => new Blob(['a'])),
  instance('AbortController', () => new AbortController()),
  instance('AbortSignal', () => AbortSignal.abort()),
  instance('EventTarget', () => new EventTarget()),
  instance('Event', () => new Event('e')),
  instance('TextDecoder', () => new TextDecoder()),
  instance('Headers', () => new Headers()),
  instance('ReadableStream', () => new ReadableStream()),
  instance('CompressionStream', () => new CompressionStream('gzip')),
  { name: 'an instance of a class made from EventTarget', make: () => new Bus(), says: 'an instance of EventTarget' },
  { name: 'a KeyObject', make: () => createSecretKey(Buffer.alloc(16)), says: 'an instance of KeyObject' },
  instance('BlockList', () => new BlockList()),
  instance('SocketAddress', () => new SocketAddress({ address: '127.0.0.1' })),
  { name: 'a histogram', make: () => createHistogram(), says: 'an instance of RecordableHistogram' },
  { name: 'a SharedArrayBuffer', make: () => new SharedArrayBuffer(8), says: 'a SharedArrayBuffer' },
  {
    name: 'a shared view',
    make: () => new Uint8Array(new SharedArrayBuffer(8)),
    says: 'a view of a SharedArrayBuffer',
  },
  { name: 'a shared Buffer', make: () => Buffer.from(new SharedArrayBuffer(8)), says: 'a view of a SharedArrayBuffer' },
  { name: 'a detached ArrayBuffer', make: detached, says: 'a detached ArrayBuffer' },
  { name: 'a resizable ArrayBuffer', make: resizable, says: RESIZABLE, since: 20 },
  {
    name: 'a length-tracking view',
    make: () => new Uint8Array(resizable()),
    says: `a view of ${RESIZABLE}`,
    since: 20,
  },
  {
    name: 'a DataView of the resizable',
    make: () => new DataView(resizable()),
    says: `a view of ${RESIZABLE}`,
    since: 20,
  },
  { name: 'a Float16Array', make: () => construct('Float16Array', 2), says: 'a Float16Array, which Node 18 cannot read', since: 24 }, // prettier-ignore
  regExp('a RegExp with flag v', '[a--b]', 'v', 'flag v, which Node 18 cannot read', 20),
  regExp('a RegExp with modifiers', 'x(?i:a)', '', 'modifiers, which Node 18 cannot read', 24),
  regExp('a RegExp without a modifier', '[(](?-s:a)', 'm', 'modifiers, which Node 18 cannot read', 24),
  regExp('a RegExp with a name twice', '(?<a>b)|(?<a>c)', '', 'two groups of one name, which Node 18 cannot read', 24),
  regExp('a RegExp with a new script', '\\p{Script=Garay}', 'u', 'a script name that Node 18 cannot read', 22),
  { name: 'nesting without end', make: () => nested(100_000), says: 'nested more than 1000 levels deep' },
];

const MAJOR = Number.parseInt(process.versions.node, 10);

/** Those that this Node can make. */
export const REFUSED = ALL.filter(({ since }) => since === undefined || MAJOR >= since);

class Bus extends EventTarget {}

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = { value };
  return value;
}

function argumentsOf(..._: number[]): unknown {
  return arguments; // eslint-disable-line prefer-rest-params -- the object itself is wanted
}

async function* asynchronous(): AsyncGenerator<number> {
  yield await Promise.resolve(1);
}
