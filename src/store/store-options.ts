/** What a store can be told, its defaults, and the complaints about what it cannot be told. */
import { MAX_LIMIT_MS } from '../wait/clock.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { type Log, partLog, safeLog } from '../report/log.js';
import { OptionReader } from '../option/option-reader.js';
import { checkStatsTarget, type StatsTarget } from '../report/stats.js';

/** Which database, and how sections go. Exactly one of `file`, `url` and `memory` is given. */
export interface StoreOptions {
  /** An SQLite file, made if it is missing; its folder must be there. Kept in WAL mode, with `-wal` and `-shm` beside it. */
  file?: string | undefined;
  /** A PostgreSQL database: `postgres://user:password@host:port/database`, with the parameters that `pg` knows. */
  url?: string | undefined;
  /**
   * For tests: an SQLite database of its own that is gone with the store. It lies in a private folder in memory
   * (`/dev/shm`) where there is such, else in the system's for temporary files, and not in SQLite's `:memory:`, which has
   * neither read-only connections nor snapshots beside a writer.
   */
  memory?: boolean | undefined;
  /** In log lines, events and metrics. Default `store`. */
  name?: string | undefined;
  /** Connections for sections that read; when all are in use, further ones wait. From 1 to 100. Default 8. */
  readConnections?: number | undefined;
  /** How long a section that writes waits for other processes to let it begin, ms. Default 5,000. */
  busyTimeoutMs?: number | undefined;
  /** How often a `repeatable` section is tried in all when other transactions are in the way. Default 5. */
  attempts?: number | undefined;
  /**
   * A section that is open for longer, or waits for longer for its turn to write, is told in the log and as an event, ms.
   * Default 1,000; with NODE_ENV `production` 60,000.
   */
  slowSectionMs?: number | undefined;
  /** Where metrics go: a hot-shots client, or a StatsD server. Default: nowhere. */
  stats?: StatsTarget | undefined;
  /** Where log lines go. Default: nowhere. */
  log?: Log | undefined;
}

/** Which database. */
export type Place = { readonly file: string } | { readonly url: string } | { readonly memory: true };

/** The options with their defaults, checked. */
export interface StoreSettings {
  readonly place: Place;
  readonly name: string;
  readonly readConnections: number;
  readonly busyTimeoutMs: number;
  readonly attempts: number;
  readonly slowSectionMs: number;
  readonly stats: StatsTarget | undefined;
  readonly log: Log;
}

const NAMES = [
  'file',
  'url',
  'memory',
  'name',
  'readConnections',
  'busyTimeoutMs',
  'attempts',
  'slowSectionMs',
  'stats',
  'log',
] satisfies (keyof StoreOptions)[];

const SLOW_SECTION_MS = 1_000;
const SLOW_IN_PRODUCTION_MS = 60_000;

/** Throws TypeError (`ERR_INVALID_ARG`) that names the option. */
export function readStoreOptions(options: StoreOptions): StoreSettings {
  const read = new OptionReader(options, NAMES);
  checkStatsTarget(options.stats);
  const isCount = (most: number) => (value: number) => Number.isInteger(value) && value >= 1 && value <= most;
  const name = read.text('name') ?? 'store';
  return {
    place: readPlace(read),
    name,
    readConnections: read.limit('readConnections', 'an integer from 1 to 100', isCount(100)) ?? 8,
    busyTimeoutMs:
      read.limit(
        'busyTimeoutMs',
        `milliseconds from 0 to ${String(MAX_LIMIT_MS)}`,
        value => value >= 0 && value <= MAX_LIMIT_MS,
      ) ?? 5_000,
    attempts: read.limit('attempts', 'an integer from 1 to 100', isCount(100)) ?? 5,
    slowSectionMs:
      read.limit('slowSectionMs', 'milliseconds above 0, or Infinity', value => value > 0) ??
      (process.env.NODE_ENV === 'production' ? SLOW_IN_PRODUCTION_MS : SLOW_SECTION_MS),
    stats: options.stats,
    log: partLog(safeLog(options.log), name, { store: name }),
  };
}

function readPlace(read: OptionReader): Place {
  const file = read.text('file');
  const url = read.secret('url');
  const memory = read.flag('memory') === true;
  const given = [file !== undefined && 'file', url !== undefined && 'url', memory && 'memory'].filter(Boolean);
  if (given.length !== 1) throw invalidArgument('options', given, 'exactly one of file, url and memory');
  if (file === ':memory:') throw invalidArgument('file', file, 'a path; for a store in memory say memory: true');
  if (file !== undefined) return { file };
  if (url === undefined) return { memory: true };
  // The text is not shown: it may hold a password.
  if (!/^postgres(ql)?:\/\//.test(url))
    throw invalidArgument('url', '(not shown)', "one that starts with 'postgres://'");
  return { url };
}
