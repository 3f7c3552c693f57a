/** Takes errors apart to travel, and rebuilds them. */

/** Classes that are kept; any other error arrives as the nearest of them that it inherits from. */
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

/** Fields in travel order; bit n of a record's `fields` is set when the nth follows. */
export const FIELDS = ['name', 'message', 'stack', 'code', 'cause', 'errors'] as const;
export type Field = (typeof FIELDS)[number];

/** `values` holds the fields that it has. */
export interface ErrorRecord {
  readonly class: number;
  readonly values: Map<Field, unknown>;
}

/** As a structured clone does: by the name where it is a built-in one. */
function classOf(error: Error): number {
  const name = readField(error, 'name');
  const byName = CLASSES.findIndex(each => each.name === name);
  if (byName !== -1) return byName;
  return Math.max(
    0,
    CLASSES.findLastIndex(each => error instanceof each),
  );
}

/** Undefined where reading throws, which must not hide the error. */
export function readField(error: Error, field: Field): unknown {
  try {
    return Reflect.get(error, field);
  } catch {
    return undefined;
  }
}

/** The text fields of an error, and which others it has; own or inherited, as a DOMException inherits all. */
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

/** An error of that class without fields. */
export function makeShell(classIndex: number): Error {
  const constructor = CLASSES[classIndex];
  if (constructor === undefined) throw new RangeError(`no error class has number ${String(classIndex)}`);
  // The stack of the decoding is useless and costly. Where Error is frozen, it is merely overwritten.
  const limit = Error.stackTraceLimit;
  Reflect.set(Error, 'stackTraceLimit', 0);
  const shell: Error = Reflect.construct(Error, [], constructor);
  Reflect.set(Error, 'stackTraceLimit', limit);
  return shell;
}

/** Throws for a text field that is not a string. */
export function fillShell(shell: Error, values: ReadonlyMap<Field, unknown>): void {
  define(shell, 'stack', undefined);
  for (const [field, value] of values) {
    if ((field === 'name' || field === 'message' || field === 'stack') && typeof value !== 'string') {
      throw new TypeError(`the ${field} of an error is not a string`);
    }
    define(shell, field, value);
  }
}

/** As in Node, only `code` is enumerable. */
function define(shell: Error, field: Field, value: unknown): void {
  Object.defineProperty(shell, field, { value, writable: true, configurable: true, enumerable: field === 'code' });
}
