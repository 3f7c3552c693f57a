import { invalidArgument } from './invalid-argument.js';
import { Option } from './option-table.js';

/** Replaces a value that may be a secret. */
const HIDDEN = '(not shown)';

export function checked<T>(expected: string, isGood: (value: unknown) => boolean): Option<T> {
  return new Option<T>(expected, (value, field) => {
    if (value === undefined || isGood(value)) return value as T | undefined;
    throw invalidArgument(field, value, expected);
  });
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '' && !value.includes('\0');

const TEXT = 'a non-empty string without a zero byte';

export const text = (expected = TEXT, isGood = (_text: string): boolean => true): Option<string> =>
  new Option(expected, (value, field) => {
    if (value === undefined) return undefined;
    if (!isText(value)) throw invalidArgument(field, value, TEXT);
    if (!isGood(value)) throw invalidArgument(field, value, expected);
    return value;
  });

/** One string or a list of them. */
export const texts = (): Option<string | readonly string[], string[] | undefined> =>
  new Option(`${TEXT}, or a list of such strings`, (value, field) => {
    if (value === undefined) return undefined;
    const list: unknown[] = Array.isArray(value) ? value : [value];
    return list.map((item, at) => {
      if (isText(item)) return item;
      throw invalidArgument(Array.isArray(value) ? `${field}[${String(at)}]` : field, item, TEXT);
    });
  });

/** A string that no message shows. */
export const secret = (expected = 'a non-empty string', isGood = (_text: string): boolean => true): Option<string> =>
  new Option(expected, (value, field) => {
    if (value === undefined) return undefined;
    if (typeof value !== 'string') throw invalidArgument(`typeof ${field}`, typeof value, "'string'");
    if (value === '' || !isGood(value)) throw invalidArgument(field, value === '' ? value : HIDDEN, expected);
    return value;
  });

export const flag = (): Option<boolean> => checked('a boolean', value => typeof value === 'boolean');

export function oneOf<const T extends string>(...values: T[]): Option<T> {
  const quoted = values.map(value => `'${value}'`);
  const expected = [quoted.slice(0, -1).join(', '), quoted.at(-1)].join(' or ');
  return checked(expected, value => values.includes(value as T));
}

/** Bounds of a number. `Infinity` is refused unless `to` is. */
interface Range {
  readonly from?: number;
  readonly above?: number;
  readonly to?: number;
}

export const integer = (range: Range): Option<number> =>
  ranged('an integer', range, value => Number.isSafeInteger(value) || value === Infinity);
export const number = (range: Range): Option<number> => ranged('a number', range);
export const milliseconds = (range: Range): Option<number> => ranged('a number of milliseconds', range);
export const bytes = (range: Range): Option<number> => ranged('a whole number of bytes', range, Number.isSafeInteger);
/** A limit of time that `Infinity` switches off. */
export const timeLimit = (): Option<number> => milliseconds({ above: 0, to: Infinity });
/** A count that `Infinity` switches off. */
export const countLimit = (): Option<number> => integer({ from: 1, to: Infinity });

function ranged(noun: string, range: Range, isGood = (_value: number): boolean => true): Option<number> {
  const { from = -Infinity, above = -Infinity, to = Number.MAX_VALUE } = range;
  return checked(
    `${noun}${words(noun, range)}`,
    value => typeof value === 'number' && value >= from && value > above && value <= to && isGood(value),
  );
}

function words(noun: string, { from, above, to }: Range): string {
  const show = (value: number): string => value.toLocaleString('en-US');
  const isBounded = to !== undefined && to !== Infinity;
  if (from !== undefined && isBounded) return ` from ${show(from)} to ${show(to)}`;
  const low =
    above === undefined ? `${noun.includes(' of ') ? ',' : ' of'} ${show(from ?? 0)} or more` : ` above ${show(above)}`;
  return `${low}${isBounded ? `, at most ${show(to)}` : to === Infinity ? ', or Infinity' : ''}`;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- any function fits, its parameters included
type AnyFunction = (...args: any[]) => unknown;

/** `parameters` as in `(error, attempts)`. */
export const func = <F extends AnyFunction>(parameters = ''): Option<F> =>
  checked(`a function ${parameters}`.trimEnd(), value => typeof value === 'function');

/** An object of the caller's, known by its methods. */
export const having = <T extends object>(...methods: (keyof T & string)[]): Option<T> =>
  checked(
    `an object with the method${methods.length > 1 ? 's' : ''} ${methods.join(', ')}`,
    value =>
      typeof value === 'object' &&
      value !== null &&
      methods.every(method => typeof (value as Record<string, unknown>)[method] === 'function'),
  );

export const randomOption = (): Option<() => number, () => number> =>
  func<() => number>('that returns numbers from 0 to less than 1').orElse('Math.random', () => Math.random);

export const abortSignal = (): Option<AbortSignal> => checked('an AbortSignal', value => value instanceof AbortSignal);

export const moduleUrl = (): Option<URL, string | undefined> =>
  new Option('a file: or data: URL object', (value, field) => {
    if (value === undefined) return undefined;
    if (!(value instanceof URL)) throw invalidArgument(field, value, 'a URL object');
    if (['file:', 'data:'].includes(value.protocol)) return value.href;
    throw invalidArgument(field, value.href, 'a file: or data: URL');
  });

export const environment = (): Option<Readonly<Record<string, string>>, Record<string, string> | undefined> =>
  new Option('an object of strings', (value, field) => {
    if (value === undefined) return undefined;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw invalidArgument(field, HIDDEN, 'an object of strings');
    }
    return Object.fromEntries(Object.entries(value).map(([name, set]) => [name, variable(field, name, set)]));
  });

function variable(field: string, name: string, value: unknown): string {
  if (name === '' || /[=\0]/.test(name)) {
    throw invalidArgument(`a name in ${field}`, name, "a non-empty string without '=' or a zero byte");
  }
  if (typeof value !== 'string') throw invalidArgument(`typeof ${field}.${name}`, typeof value, "'string'");
  if (value.includes('\0')) throw invalidArgument(`${field}.${name}`, HIDDEN, 'a string without a zero byte');
  return value;
}
