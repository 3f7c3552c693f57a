/** Values for properties: whatever fast-check can think of, and object graphs with cycles, shared references and errors. */
import fc from 'fast-check';

/** Any text, lone surrogates included. */
const text = fc.array(fc.nat(0xffff), { maxLength: 10 }).map(units => String.fromCharCode(...units));

/** Trees of every kind of value that a structured clone keeps. */
export const anything = fc.anything({
  key: fc.oneof(text, fc.constantFrom('__proto__', 'constructor', '0', '')),
  values: [fc.boolean(), fc.integer(), fc.double(), fc.bigInt(), text, fc.constantFrom(null, undefined)],
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
});

const KINDS = ['object', 'list', 'map', 'set', 'error', 'aggregate', 'buffer', 'view'] as const;

interface Node {
  readonly kind: (typeof KINDS)[number];
  /** Which nodes it refers to, modulo their number. */
  readonly refs: readonly number[];
  readonly value: unknown;
}

/** A graph to be built, since one that is built cannot be built again alike. */
export type Graph = readonly Node[];

export const graphs: fc.Arbitrary<Graph> = fc.array(
  fc.record({
    kind: fc.constantFrom(...KINDS),
    refs: fc.array(fc.nat(30), { maxLength: 4 }),
    value: fc.oneof(text, fc.double(), fc.bigInt(), fc.constant(undefined)),
  }),
  { minLength: 1, maxLength: 14 },
);

/** The graph's first node, with all that hangs on it. */
export function buildGraph(graph: Graph): unknown {
  // Few, so that views meet on one.
  const buffers = [8, 16].map(size => new ArrayBuffer(size));
  const made = graph.map(node => shell(node, buffers));
  graph.forEach((node, index) => {
    const targets = node.refs.map(ref => made[ref % made.length]);
    link(made[index], node, targets);
  });
  return made[0];
}

function shell({ kind, value, refs }: Node, buffers: readonly ArrayBuffer[]): object {
  switch (kind) {
    case 'object':
      return {};
    case 'list':
      return [];
    case 'map':
      return new Map();
    case 'set':
      return new Set();
    case 'error':
      return withStack(new ([Error, TypeError, RangeError][refs.length % 3] ?? Error)(String(value)));
    case 'aggregate':
      return withStack(new AggregateError([], String(value)));
    case 'buffer':
      return buffers[refs.length % buffers.length] ?? new ArrayBuffer(8);
    case 'view':
      return new Uint16Array(buffers[refs.length % buffers.length] ?? new ArrayBuffer(8), 2, 2);
  }
}

function withStack<E extends Error>(error: E): E {
  return Object.defineProperty(error, 'stack', { value: 'at a place', writable: true, configurable: true });
}

function link(from: unknown, { kind, value }: Node, targets: readonly unknown[]): void {
  if (from instanceof Map) for (const target of targets) from.set(target, value);
  else if (from instanceof Set) for (const target of [...targets, value]) from.add(target);
  else if (Array.isArray(from)) from.push(value, ...targets);
  else if (kind === 'object')
    targets.forEach((target, index) => Object.assign(from as object, { [`k${String(index)}`]: target, value }));
  else if (from instanceof Error) linkError(from, value, targets);
}

function linkError(error: Error, value: unknown, targets: readonly unknown[]): void {
  if (value !== undefined) Object.assign(error, { code: value });
  const hidden = { writable: true, configurable: true };
  if (targets.length > 0) Object.defineProperty(error, 'cause', { value: targets[0], ...hidden });
  if (error instanceof AggregateError) Object.defineProperty(error, 'errors', { value: targets.slice(1), ...hidden });
}
