/** Reads the fields of an options object, each with its check. */
import { invalidArgument } from './invalid-argument.js';

/** Stands for a value that may be a secret. */
const HIDDEN = '(not shown)';

/**
 * Every method gives undefined for a field that is absent, and throws the TypeError of invalidArgument for a bad one.
 * What may be a secret is not shown in it.
 */
export class OptionReader {
  readonly #options: Readonly<Record<string, unknown>>;

  /** Refuses fields that are not among `names`. */
  constructor(options: unknown, names: readonly string[]) {
    checkNames(options, names);
    this.#options = options as Readonly<Record<string, unknown>>;
  }

  text(field: string): string | undefined {
    const value = this.#options[field];
    return value === undefined ? undefined : checkText(field, value);
  }

  /** One string or a list of them. */
  texts(field: string): string[] | undefined {
    const value = this.#options[field];
    if (value === undefined) return undefined;
    if (Array.isArray(value)) return value.map((item, at) => checkText(`${field}[${String(at)}]`, item));
    return [checkText(field, value)];
  }

  secret(field: string): string | undefined {
    const value = this.#options[field];
    if (value === undefined) return undefined;
    if (typeof value !== 'string') throw invalidArgument(`typeof ${field}`, typeof value, "'string'");
    if (value === '') throw invalidArgument(field, value, 'a non-empty string');
    return value;
  }

  flag(field: string): boolean | undefined {
    const value = this.#options[field];
    if (value === undefined || typeof value === 'boolean') return value;
    throw invalidArgument(field, value, 'a boolean');
  }

  /** A time or a number of times. */
  limit(field: string, expected: string, isGood: (value: number) => boolean): number | undefined {
    const value = this.#options[field];
    if (value === undefined) return undefined;
    if (typeof value === 'number' && isGood(value)) return value;
    throw invalidArgument(field, value, expected);
  }

  moduleUrl(field: string): string | undefined {
    const value = this.#options[field];
    if (value === undefined) return undefined;
    if (!(value instanceof URL)) throw invalidArgument(field, value, 'a URL object');
    if (value.protocol !== 'file:' && value.protocol !== 'data:') {
      throw invalidArgument(field, value.href, 'a file: or data: URL');
    }
    return value.href;
  }

  environment(field: string): Record<string, string> | undefined {
    const value = this.#options[field];
    if (value === undefined) return undefined;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw invalidArgument(field, HIDDEN, 'an object of strings');
    }
    const entries: [string, unknown][] = Object.entries(value);
    return Object.fromEntries(
      entries.map(([name, text]) => {
        if (name === '' || /[=\0]/.test(name)) {
          throw invalidArgument(`a name in ${field}`, name, "a non-empty string without '=' or a zero byte");
        }
        if (typeof text !== 'string') throw invalidArgument(`typeof ${field}.${name}`, typeof text, "'string'");
        if (text.includes('\0')) throw invalidArgument(`${field}.${name}`, HIDDEN, 'a string without a zero byte');
        return [name, text];
      }),
    );
  }
}

/** Refuses what is no options object, and fields that are not among `names`: a mistyped option must not go unnoticed. */
export function checkNames(options: unknown, names: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument('typeof options', options === null ? 'null' : typeof options, "'object'");
  }
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) throw invalidArgument('an option', name, `one of ${names.join(', ')}`);
  }
}

function checkText(field: string, value: unknown): string {
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value;
  throw invalidArgument(field, value, 'a non-empty string without a zero byte');
}
