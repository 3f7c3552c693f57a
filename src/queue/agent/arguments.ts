/** Checks of arguments, as callers may be untyped. */
import { invalidArgument as invalid, refuseUnknown } from '../../option/invalid-argument.js';
import { decode } from '../wire/codec/codec.js';
import { describe } from './outcome.js';

/** A non-empty string. `where`, here and below, names method and argument: `run: options.cwd`. */
export function textArg(where: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw invalid(where, value, 'a non-empty string');
  return value;
}

/** A text that the system takes as a path or an argument. */
export function pathArg(where: string, value: unknown): string {
  const text = textArg(where, value);
  if (text.includes('\0')) throw invalid(where, value, 'a string without a zero byte');
  return text;
}

export function optionalTextArg(where: string, value: unknown): string | undefined {
  return value === undefined ? undefined : textArg(where, value);
}

export function contentsArg(where: string, value: unknown): string | Uint8Array {
  if (typeof value !== 'string' && !(value instanceof Uint8Array))
    throw invalid(where, value, 'a string or a Uint8Array');
  return value;
}

export function decodeArguments(method: string, args: Uint8Array): unknown[] {
  const list = decode(args);
  if (Array.isArray(list)) return list;
  throw new TypeError(`${method}: the arguments must be a list, got ${describe(list)}`);
}

export function listArg(where: string, value: unknown): unknown[] {
  if (!Array.isArray(value)) throw invalid(where, value, 'a list');
  return value;
}

/** An object with `known` fields only. */
export function fieldsArg<Field extends string>(
  where: string,
  value: unknown,
  known: readonly Field[],
): Partial<Record<Field, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(where, value, 'an object');
  refuseUnknown(value, known, where);
  return value;
}

/** Variables of an environment, none when undefined. Messages never show their values, which may be secrets. */
export function variablesArg(where: string, value: unknown): Readonly<Record<string, string>> {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null) throw invalid(where, value, 'an object');
  for (const [name, text] of Object.entries(value)) {
    if (name === '' || /[=\0]/.test(name)) {
      throw invalid(`a name in ${where}`, name, "a non-empty string without '=' or a zero byte");
    }
    if (typeof text !== 'string') throw invalid(`${where}.${name}`, typeof text, 'a string');
    if (text.includes('\0')) throw invalid(`${where}.${name}`, '(not shown)', 'a string without a zero byte');
  }
  return value as Record<string, string>;
}

export function pidsArg(where: string, value: unknown): number[] {
  return listArg(where, value).map((item, at) => {
    if (typeof item !== 'object' || item === null)
      throw invalid(`${where}[${String(at)}]`, item, 'an object with a pid');
    const { pid } = item as { pid?: unknown };
    if (typeof pid !== 'number' || !Number.isInteger(pid))
      throw invalid(`${where}[${String(at)}].pid`, pid, 'an integer');
    return pid;
  });
}

export function pidfilesArg(where: string, value: unknown): string[] {
  return listArg(where, value).map((path, at) => pathArg(`${where}[${String(at)}]`, path));
}
