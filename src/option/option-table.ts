/**
 * A table holds what each option may be and its default. The check with its message, the type of the settings and
 * docs/options.md derive from it. The public interface beside it has the doc comments that editors show;
 * `satisfies Table<Interface>` keeps both in step.
 */
import { invalidArgument, refuseUnknown } from './invalid-argument.js';

/** Reads one option. Callers pass `In`; the settings hold `Out`. */
export class Option<In, Out = In | undefined> {
  /** Never set. Makes TypeScript reject a row that takes less than the interface allows. */
  declare private readonly accepts: (value: In) => void;
  /** Ends the message, and is a cell of the reference. */
  readonly expected: string;
  /** The default, for the reference. */
  readonly absent: string | undefined;
  readonly #read: (value: unknown, field: string) => Out;

  /** `read` throws the TypeError of `invalidArgument` for a bad value and decides what undefined means. */
  constructor(expected: string, read: (value: unknown, field: string) => Out, absent?: string) {
    this.expected = expected;
    this.#read = read;
    this.absent = absent;
  }

  read(value: unknown, field: string): Out {
    return this.#read(value, field);
  }

  or<const Default>(value: Default): Option<In, Exclude<Out, undefined> | Default> {
    return this.orElse(show(value), () => value);
  }

  /** Computes the default when options are read; `absent` describes it. */
  orElse<Default>(absent: string, make: () => Default): Option<In, Exclude<Out, undefined> | Default> {
    return new Option(
      this.expected,
      (value, field) => (value === undefined ? make() : (this.read(value, field) as Exclude<Out, undefined>)),
      absent,
    );
  }

  get required(): Option<In, Exclude<Out, undefined>> {
    const read = (value: unknown, field: string): Exclude<Out, undefined> => {
      if (value === undefined) throw invalidArgument(field, value, this.expected);
      return this.read(value, field) as Exclude<Out, undefined>;
    };
    return new Option(this.expected, read, 'required');
  }

  as<To>(change: (value: Exclude<Out, undefined>, field: string) => To): Option<In, To | Extract<Out, undefined>> {
    return new Option(
      this.expected,
      (value, field) => {
        const read = this.read(value, field);
        if (read === undefined) return read as Extract<Out, undefined>;
        return change(read as Exclude<Out, undefined>, field);
      },
      this.absent,
    );
  }
}

export type Table<Options> = {
  readonly [Name in keyof Options]-?: Option<Exclude<Options[Name], undefined>, unknown>;
};

/** Checked options with their defaults. */
export type Settings<Rows> = {
  readonly [Name in keyof Rows]: Rows[Name] extends { read: (value: unknown, field: string) => infer Out }
    ? Out
    : never;
};

/** Throws a TypeError (`ERR_INVALID_ARG`) that names the option. `within` is the option that holds these, if any. */
export function readOptions<Rows extends Readonly<Record<string, Option<never, unknown>>>>(
  table: Rows,
  options: unknown,
  within?: string,
): Settings<Rows> {
  checkNames(options, Object.keys(table), within);
  const given = options as Readonly<Record<string, unknown>>;
  const settings = Object.entries(table).map(([name, option]) => [
    name,
    option.read(given[name], within === undefined ? name : `${within}.${name}`),
  ]);
  return Object.fromEntries(settings) as Settings<Rows>;
}

export function group<Rows extends Readonly<Record<string, Option<never, unknown>>>>(
  table: Rows,
): Option<object, Settings<Rows> | undefined> {
  return new Option(`an object with ${Object.keys(table).join(', ')}`, (value, field) =>
    value === undefined ? undefined : readOptions(table, value, field),
  );
}

/** Refuses a value that is not an object, and fields that are not among `names`. */
export function checkNames(options: unknown, names: readonly string[], within?: string): void {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument(`typeof ${within ?? 'options'}`, options === null ? 'null' : typeof options, "'object'");
  }
  refuseUnknown(options, names, within);
}

function show(value: unknown): string {
  if (typeof value === 'number' && Number.isFinite(value)) return value.toLocaleString('en-US');
  if (typeof value === 'function') return '';
  return Array.isArray(value) ? value.join(', ') : String(value);
}
