/** Reads what a master is told, each field with its check. */
import { invalidArgument } from '../../option/invalid-argument.js';
import { OptionReader } from '../../option/option-reader.js';

/** What the databases' `integer` holds. */
const MAX_INTEGER = 2 ** 31 - 1;
const ID = 'an id: an integer above 0';

/** Throws TypeError (`ERR_INVALID_ARG`), as all of these do. */
export function textOf(field: string, value: unknown): string {
  const text = new OptionReader({ [field]: value }, [field]).text(field);
  if (text === undefined) throw invalidArgument(field, value, 'a non-empty string');
  return text;
}

/** May be empty. */
export function stringOf(field: string, value: unknown): string {
  if (typeof value === 'string' && !value.includes('\0')) return value;
  throw invalidArgument(field, value, 'a string without a zero byte');
}

export function textsOf(field: string, value: unknown): string[] {
  if (!Array.isArray(value)) throw invalidArgument(field, value, 'a list of strings');
  return [...new Set(new OptionReader({ [field]: value }, [field]).texts(field))];
}

export function idOf(field: string, value: unknown): number {
  if (isInteger(value) && value > 0) return value;
  throw invalidArgument(field, value, ID);
}

export function integerOf(field: string, value: unknown): number {
  if (isInteger(value)) return value;
  throw invalidArgument(field, value, `an integer from ${String(-MAX_INTEGER)} to ${String(MAX_INTEGER)}`);
}

/** Names and what they are, which may be empty. */
export function pairsOf(field: string, value: unknown): [name: string, text: string][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgument(field, value, 'an object of strings');
  }
  return Object.entries(value).map(([name, text]: [string, unknown]) => {
    return [textOf(`a name in ${field}`, name), stringOf(`${field}.${name}`, text)];
  });
}

export function listOf(field: string, value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  throw invalidArgument(field, value, 'a list');
}

function isInteger(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= MAX_INTEGER;
}
