import { MAX_LIMIT_MS } from '../wait/clock.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { flag, integer, milliseconds, secret, text, timeLimit } from '../option/option-kinds.js';
import { readOptions, type Settings, type Table } from '../option/option-table.js';
import { type Log, logOption, withNamedLog } from '../report/log.js';
import { type StatsTarget, metricsOption } from '../report/metrics-target.js';

/** The database, and how sections run. Exactly one of `file`, `url` and `memory` is required. */
export interface StoreOptions {
  /**
   * An SQLite file, created if it is missing; its directory must exist. Kept in WAL mode, with `-wal` and `-shm` beside
   * it.
   */
  file?: string | undefined;
  /** A PostgreSQL database: `postgres://user:password@host:port/database`, with the parameters of `pg`. */
  url?: string | undefined;
  /**
   * For tests: an SQLite database that is deleted when the store closes. It is in a private directory in `/dev/shm`, or
   * otherwise in the system's directory for temporary files. (SQLite's `:memory:` has neither read-only connections nor
   * snapshots beside a writer.)
   */
  memory?: boolean | undefined;
  /** In log lines, events and metrics. Default `store`. */
  name?: string | undefined;
  /** Connections for sections that read; when all are in use, further sections wait. Default 8. */
  readConnections?: number | undefined;
  /** How long a section that writes waits for other processes before it begins, ms. Default 5,000. */
  busyTimeoutMs?: number | undefined;
  /** How many times in total a `repeatable` section runs if it conflicts. Default 5. */
  attempts?: number | undefined;
  /**
   * The store logs and publishes a section that is open, or waits for its turn to write, for longer than this, ms.
   * Default 1,000; with NODE_ENV `production` 60,000.
   */
  slowSectionMs?: number | undefined;
  /** Where metrics go: a hot-shots client, or a StatsD server. Default: nowhere. */
  stats?: StatsTarget | undefined;
  /** Where log lines go. Default: nowhere. */
  log?: Log | undefined;
}

export type Place = { readonly file: string } | { readonly url: string } | { readonly memory: true };

export const STORE = {
  file: text('a path; for a store in memory, use memory: true', file => file !== ':memory:'),
  // A secret: it may hold a password.
  url: secret("one that starts with 'postgres://'", url => /^postgres(ql)?:\/\//.test(url)),
  memory: flag().or(false),
  name: text().or('store'),
  readConnections: integer({ from: 1, to: 100 }).or(8),
  busyTimeoutMs: milliseconds({ from: 0, to: MAX_LIMIT_MS }).or(5_000),
  attempts: integer({ from: 1, to: 100 }).or(5),
  slowSectionMs: timeLimit().orElse('1,000; in production 60,000', () =>
    process.env.NODE_ENV === 'production' ? 60_000 : 1_000,
  ),
  stats: metricsOption(),
  log: logOption(),
} satisfies Table<StoreOptions>;

export interface StoreSettings extends Omit<Settings<typeof STORE>, 'file' | 'url' | 'memory'> {
  readonly place: Place;
}

/** Throws a TypeError (`ERR_INVALID_ARG`) that names the option. */
export function readStoreOptions(options: StoreOptions): StoreSettings {
  const { file, url, memory, ...others } = withNamedLog(readOptions(STORE, options), 'store');
  const given = [file !== undefined && 'file', url !== undefined && 'url', memory && 'memory'].filter(Boolean);
  if (given.length !== 1) throw invalidArgument('options', given, 'exactly one of file, url and memory');
  if (file !== undefined) return { place: { file }, ...others };
  return { place: url === undefined ? { memory: true } : { url }, ...others };
}
