/** Checks the types of values. Faults name kinds, as a text may be a secret. */
import { inspect } from 'node:util';
import { type FileFaults, quoted } from './file-faults.js';
import { MAX_NAME_LENGTH, suggestion } from '../../option/near-name.js';
import type { YamlEntry, YamlValue } from './yaml-value.js';

/** A reference to a name, which must be defined elsewhere. */
export interface NameUse {
  readonly name: string;
  readonly line: number;
}

/** Without white space, as it is shown in messages, logs and lists. */
const NAME = /^[^\p{C}\p{Z}]+$/u;

/** Methods report a fault for a wrong value and return undefined, or a list without it. Nothing is an empty map or list. */
export class ValueReader {
  readonly #faults: FileFaults;

  constructor(faults: FileFaults) {
    this.#faults = faults;
  }

  fault(line: number, reason: () => string): undefined {
    this.#faults.add(line, reason);
  }

  /** A map of any keys. */
  entries(value: YamlValue, what: string): readonly YamlEntry[] | undefined {
    if (value.kind === 'map') return value.entries;
    return value.kind === 'nothing' ? [] : this.#wrong(value, what, 'a map');
  }

  /** A map of these keys and no others. */
  fields(value: YamlValue, what: string, keys: readonly string[]): ReadonlyMap<string, YamlValue> | undefined {
    const entries = this.entries(value, what);
    for (const { key, line } of entries ?? []) {
      if (keys.includes(key)) continue;
      const expected = `${suggestion(key, new Set(keys))}, expected one of ${keys.join(', ')}`;
      this.fault(line, () => `${quoted(key)} is not a key of ${what}${expected}`);
    }
    return entries && new Map(entries.map(entry => [entry.key, entry.value]));
  }

  /** A map whose keys are names. */
  named(value: YamlValue, what: string): readonly YamlEntry[] | undefined {
    return this.entries(value, what)?.filter(({ key, line }) => this.#isName(line, key, `a key of ${what}`));
  }

  list(value: YamlValue, what: string): readonly YamlValue[] {
    if (value.kind === 'list') return value.items;
    return value.kind === 'nothing' ? [] : (this.#wrong(value, what, 'a list') ?? []);
  }

  /** A list of names, each once. */
  uses(value: YamlValue, what: string): NameUse[] {
    const uses = new Map<string, NameUse>();
    for (const item of this.list(value, what)) {
      const name = this.text(item, `one of ${what}`);
      if (name === undefined) continue;
      if (uses.has(name)) this.fault(item.line, () => `${quoted(name)} is in ${what} twice`);
      else uses.set(name, { name, line: item.line });
    }
    return [...uses.values()];
  }

  /** As `uses`, where each also defines a name. */
  names(value: YamlValue, what: string): NameUse[] {
    return this.uses(value, what).filter(({ name, line }) => this.#isName(line, name, `one of ${what}`));
  }

  /** As written, even if YAML reads a number, a boolean or null. */
  text(value: YamlValue, what: string): string | undefined {
    const text = value.kind === 'scalar' || value.kind === 'nothing' ? value.text : undefined;
    if (text === undefined) return this.#wrong(value, what, 'a text');
    if (!text.includes('\0')) return text;
    return this.fault(value.line, () => `${what} has a zero byte in it`);
  }

  /** From 1 to `max`. */
  count(value: YamlValue, what: string, max: number): number | undefined {
    const isCount = value.kind === 'scalar' && Number.isInteger(value.value);
    const count = isCount ? Number(value.value) : NaN;
    return count >= 1 && count <= max ? count : this.#wrong(value, what, `an integer from 1 to ${String(max)}`);
  }

  #wrong(value: YamlValue, what: string, expected: string): undefined {
    return this.fault(value.line, () => `${what} is ${kindOf(value)}, expected ${expected}`);
  }

  #isName(line: number, name: string, what: string): boolean {
    const isLong = name.length > MAX_NAME_LENGTH;
    if (!isLong && NAME.test(name)) return true;
    const expected = isLong ? `${String(MAX_NAME_LENGTH)} characters at most` : 'a name without white space';
    this.fault(line, () => `${what} is ${quoted(name)}, expected ${expected}`);
    return false;
  }
}

function kindOf(value: YamlValue): string {
  if (value.kind === 'nothing') return 'nothing';
  if (value.kind !== 'scalar') return `a ${value.kind}`;
  return typeof value.value === 'string' ? 'a text' : inspect(value.value);
}
