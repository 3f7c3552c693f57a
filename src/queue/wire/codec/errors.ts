/** What of an error travels, and how an error is made of it again. */

/** Classes that come back as they were; any other error comes back as the nearest of them that it inherits from. */
const CLASSES = [
  Error,
  TypeError,
  RangeError,
  SyntaxError,
  ReferenceError,
  EvalError,
  URIError,
  AggregateError,
] as const;
const AGGREGATE = CLASSES.indexOf(AggregateError);

/** Fields of an error in the order they travel in; bit n of a record's `fields` tells that the nth follows. */
export const FIELDS = ['name', 'message', 'stack', 'code', 'cause', 'errors'] as const;
export type Field = (typeof FIELDS)[number];

/** One error, taken apart. `values` holds those fields that it has. */
export interface ErrorRecord {
  readonly class: number;
  readonly values: Map<Field, unknown>;
}

/** Class and name are told apart as a structured clone does: by the name where it is a built-in one. */
function classOf(error: Error): number {
  const name = readField(error, 'name');
  const byName = CLASSES.findIndex(each => each.name === name);
  if (byName !== -1) return byName;
  return Math.max(
    0,
    CLASSES.findLastIndex(each => error instanceof each),
  );
}

/** A field, or undefined where reading it throws: that must not hide the error, which is what matters. */
export function readField(error: Error, field: Field): unknown {
  try {
    return Reflect.get(error, field);
  } catch {
    return undefined;
  }
}

/** The parts of an error that are text, and which of the others it has. Own or inherited, as DOMException inherits all. */
export function takeApart(error: Error): ErrorRecord & { readonly open: Field[] } {
  const record = { class: classOf(error), values: new Map<Field, unknown>(), open: [] as Field[] };
  const [name, message, stack] = [readField(error, 'name'), readField(error, 'message'), readField(error, 'stack')];
  if (typeof name === 'string' && name !== CLASSES[record.class]?.name) record.values.set('name', name);
  if (typeof message === 'string' && (message !== '' || Object.hasOwn(error, 'message'))) {
    record.values.set('message', message);
  }
  if (typeof stack === 'string') record.values.set('stack', stack);
  if ('code' in error) record.open.push('code');
  if ('cause' in error) record.open.push('cause');
  if ('errors' in error && record.class === AGGREGATE) record.open.push('errors');
  return record;
}

/** An error of that class, with no field of its own yet. */
export function makeShell(classIndex: number): Error {
  const constructor = CLASSES[classIndex];
  if (constructor === undefined) throw new RangeError(`no error class has number ${String(classIndex)}`);
  // Nobody wants to know the stack of its decoding, and it is dear. Where Error is frozen, it is merely overwritten.
  const limit = Error.stackTraceLimit;
  Reflect.set(Error, 'stackTraceLimit', 0);
  const shell: Error = Reflect.construct(Error, [], constructor);
  Reflect.set(Error, 'stackTraceLimit', limit);
  return shell;
}

/** Gives an error its fields. What is no text and should be throws. */
export function fillShell(shell: Error, values: ReadonlyMap<Field, unknown>): void {
  define(shell, 'stack', undefined);
  for (const [field, value] of values) {
    if ((field === 'name' || field === 'message' || field === 'stack') && typeof value !== 'string') {
      throw new TypeError(`the ${field} of an error is no string`);
    }
    define(shell, field, value);
  }
}

/** As Node has them: only `code` shows up among an error's keys. */
function define(shell: Error, field: Field, value: unknown): void {
  Object.defineProperty(shell, field, { value, writable: true, configurable: true, enumerable: field === 'code' });
}
