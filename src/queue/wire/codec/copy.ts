/**
 * The slow path: copies a value with stand-ins for errors, and replaces getters with their values.
 *
 * The original is never changed. Shared references stay shared and cycles closed, also through errors. The value is
 * copied first; errors found on the way are taken apart afterwards, and may bring more of them. An error's field that
 * cannot travel becomes a description; what was copied for it alone is dropped, as it may be incomplete.
 */
import { inspect } from 'node:util';
import * as types from 'node:util/types';
import { readField, takeApart } from './errors.js';
import type { ErrorRecord, Field } from './errors.js';
import { MAX_DEPTH, NotCloneableError, isError, isLeaf, whyNot } from './refusals.js';

/** Longest description of an error's field, in characters. */
const MAX_DESCRIPTION = 1000;

/** A copy that V8 can write, and what stands in for its errors. */
export interface Copy {
  readonly value: unknown;
  readonly records: ReadonlyMap<object, ErrorRecord>;
}

/**
 * Throws a NotCloneableError. With `describeCauses`, any object but an error in an error's `cause`, `code` or `errors`
 * is described.
 */
export function copyOf(value: unknown, describeCauses: boolean): Copy {
  const copier = new Copier(describeCauses);
  return { value: copier.copy(value), records: copier.finish() };
}

class Copier {
  readonly #describeCauses: boolean;
  readonly #kept = new Map<object, object>();
  #fresh = new Map<object, object>();
  readonly #found: Error[] = [];
  #freshFound: Error[] = [];
  readonly #records = new Map<object, ErrorRecord>();
  readonly #path: string[] = [];

  constructor(describeCauses: boolean) {
    this.#describeCauses = describeCauses;
  }

  /** Copies a whole graph, or throws and leaves the state as before. */
  copy(value: unknown): unknown {
    this.#fresh = new Map();
    this.#freshFound = [];
    this.#path.length = 0;
    const copy = this.#visit(value);
    for (const [original, made] of this.#fresh) this.#kept.set(original, made);
    for (const error of this.#freshFound) this.#found.push(error);
    return copy;
  }

  finish(): ReadonlyMap<object, ErrorRecord> {
    for (const error of this.#found) {
      const standIn = this.#kept.get(error) ?? error;
      const record = takeApart(error);
      for (const field of record.open) {
        record.values.set(field, this.#copyField(field, readField(error, field)));
      }
      this.#records.set(standIn, record);
    }
    return this.#records;
  }

  #copyField(field: Field, value: unknown): unknown {
    try {
      return this.#copyUnlessDescribed(value);
    } catch {
      // The error matters more than its fields; of several errors, those that can travel do.
      if (field !== 'errors' || types.isProxy(value) || !Array.isArray(value)) return describe(value);
      return Object.values(value).map(each => this.#copyField('cause', each));
    }
  }

  #copyUnlessDescribed(value: unknown): unknown {
    if (this.#describeCauses && typeof value === 'object' && value !== null && !isError(value)) {
      throw new NotCloneableError('to be described');
    }
    return this.copy(value);
  }

  #visit(value: unknown): unknown {
    if (typeof value === 'function') throw this.#refusal('a function');
    if (typeof value === 'symbol') throw this.#refusal('a symbol');
    if (typeof value !== 'object' || value === null) return value;
    const known = this.#fresh.get(value) ?? this.#kept.get(value);
    if (known !== undefined) return known;
    if (types.isProxy(value)) throw this.#refusal('a Proxy');
    const plain = isPlain(value);
    if (!plain && isError(value)) return this.#standIn(value as Error);
    if (this.#path.length >= MAX_DEPTH) throw this.#refusal(`nested more than ${String(MAX_DEPTH)} levels deep`);
    if (plain) return this.#visitObject(value);
    if (Array.isArray(value)) return this.#visitArray(value);
    if (types.isMap(value)) return this.#visitMap(value);
    if (types.isSet(value)) return this.#visitSet(value);
    const why = whyNot(value);
    if (why !== undefined) throw this.#refusal(why);
    return isLeaf(value) ? value : this.#visitObject(value);
  }

  #standIn(error: Error): Uint8Array {
    const standIn = new Uint8Array(0);
    this.#fresh.set(error, standIn);
    this.#freshFound.push(error);
    return standIn;
  }

  #visitMap(map: ReadonlyMap<unknown, unknown>): Map<unknown, unknown> {
    const copy = new Map<unknown, unknown>();
    this.#fresh.set(map, copy);
    let index = 0;
    for (const [key, value] of [...Map.prototype.entries.call(map)]) {
      const copiedKey = this.#visitAt(`.keys()[${String(index)}]`, key);
      copy.set(copiedKey, this.#visitAt(`.values()[${String(index)}]`, value));
      index += 1;
    }
    return copy;
  }

  #visitSet(set: ReadonlySet<unknown>): Set<unknown> {
    const copy = new Set<unknown>();
    this.#fresh.set(set, copy);
    let index = 0;
    for (const value of [...Set.prototype.values.call(set)]) {
      copy.add(this.#visitAt(`.values()[${String(index)}]`, value));
      index += 1;
    }
    return copy;
  }

  #visitArray(array: readonly unknown[]): unknown[] {
    const copy: unknown[] = [];
    this.#fresh.set(array, copy);
    for (const key of Object.keys(array)) this.#copyProperty(array, copy, key);
    // Keeps holes at the end; set last, as V8 writes an array with a preset length as sparse.
    copy.length = array.length;
    return copy;
  }

  #visitObject(object: object): object {
    const copy = {};
    this.#fresh.set(object, copy);
    for (const key of Object.keys(object)) this.#copyProperty(object, copy, key);
    return copy;
  }

  #copyProperty(from: object, to: object, key: string): void {
    const value = this.#visitAt(key, Reflect.get(from, key));
    if (key === '__proto__') {
      Object.defineProperty(to, key, { value, writable: true, enumerable: true, configurable: true });
    } else {
      (to as Record<string, unknown>)[key] = value;
    }
  }

  #visitAt(step: string, value: unknown): unknown {
    if ((typeof value !== 'object' || value === null) && typeof value !== 'function' && typeof value !== 'symbol') {
      return value;
    }
    this.#path.push(step);
    const copy = this.#visit(value);
    this.#path.pop();
    return copy;
  }

  #refusal(what: string): NotCloneableError {
    return new NotCloneableError(`cannot clone ${pathText(this.#path)}: ${what}`);
  }
}

/** Certainly a plain object. One without keys may be a Map, say, with another prototype. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  return Object.prototype.toString.call(value) === '[object Object]' && Object.keys(value).length > 0;
}

function pathText(path: readonly string[]): string {
  if (path.length === 0) return 'the value';
  const steps = path.map(step => {
    if (step.startsWith('.') || /^\d+$/.test(step)) return step.startsWith('.') ? step : `[${step}]`;
    return /^[\p{L}_$][\p{L}\d_$]*$/u.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
  });
  const shown = steps.length > 12 ? [...steps.slice(0, 6), '…', ...steps.slice(-5)] : steps;
  return shown.join('').replace(/^\.(?!keys\(\)|values\(\))/, '');
}

function describe(value: unknown): string {
  let text: string;
  try {
    text = inspect(value, { depth: 1, maxArrayLength: 10, maxStringLength: 200, breakLength: Infinity });
  } catch {
    // Its own inspect method threw.
    text = Object.prototype.toString.call(value);
  }
  return text.length > MAX_DESCRIPTION ? `${text.slice(0, MAX_DESCRIPTION)}…` : text;
}
