/** Where metrics go: a client of the caller's, or a StatsD server. */
import { isIP } from 'node:net';
import type { StatsD } from 'hot-shots';
import { cachedLookup } from './cached-lookup.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { checked, integer, text } from '../option/option-kinds.js';
import { Option, readOptions, type Table } from '../option/option-table.js';

/** What a metrics client must have; a hot-shots client does, and so may any other. */
export interface StatsClient {
  /** Milliseconds. */
  timing(name: string, ms: number): void;
  /** Adds `value` to a counter, 1 without it. */
  increment(name: string, value?: number): void;
  /** Sets a level. */
  gauge(name: string, value: number): void;
  /** Never called on a client that was given: who made it closes it. */
  close?(callback?: (error?: Error) => void): void;
}

/** A StatsD server. */
export interface StatsServer {
  /** Name or address. A name must have an IPv4 address; it is looked up again once a minute. */
  readonly host: string;
  /** UDP port. Default 8125. */
  readonly port?: number | undefined;
  /** In front of every metric's name, with a dot between: letters, digits, `_`, `-` and dots. Default: none. */
  readonly prefix?: string | undefined;
}

/**
 * Where metrics go: a client of yours, which stays yours to close, or a StatsD server, for which a plain hot-shots client
 * is made, and closed at the end. Metrics to a server are sent over UDP, many per datagram, within a second.
 * A server that is down, unknown or slow, or a client that throws, changes nothing: problems are counted and logged.
 */
export type StatsTarget = StatsClient | StatsServer;

const METRIC_KINDS = ['timing', 'increment', 'gauge'] as const;
export type MetricKind = (typeof METRIC_KINDS)[number];

export const statsOption = (): Option<StatsTarget> =>
  new Option('a StatsD client, or a server', target => {
    checkStatsTarget(target as StatsTarget | undefined);
    return target as StatsTarget | undefined;
  });

/** Throws TypeError (`ERR_INVALID_ARG`) for a target that is none. */
export function checkStatsTarget(target: StatsTarget | undefined): void {
  if (target === undefined) return;
  if (typeof target !== 'object' || target === null) {
    throw invalidArgument('stats', target, 'a StatsD client, or { host, port, prefix }');
  }
  if (!isClient(target)) {
    readOptions(STATS_SERVER, target, 'stats');
    return;
  }
  for (const method of METRIC_KINDS) {
    if (typeof target[method] !== 'function') throw invalidArgument(`stats.${method}`, target[method], 'a function');
  }
}

export const STATS_SERVER = {
  host: text('a name or an address').required,
  port: integer({ from: 1, to: 65_535 }),
  prefix: checked<string>(
    'letters, digits, _, - and dots',
    prefix => typeof prefix === 'string' && /^[\w.-]*$/.test(prefix),
  ),
} satisfies Table<StatsServer>;

/** A hot-shots client has a `host` too, so it is the methods that tell. */
export function isClient(target: StatsTarget): target is StatsClient {
  return METRIC_KINDS.some(kind => kind in target);
}

const DEFAULT_PORT = 8125;
/** What an Ethernet frame carries of UDP over IPv6, so that no datagram is split. */
const MAX_DATAGRAM_BYTES = 1432;
const CLOSE_TIMEOUT_MS = 1000;
/** Metrics kept while hot-shots is being loaded. */
const MAX_BACKLOG = 1000;

/** The hot-shots client of a server that was named to us. */
export class ServerClient implements StatsClient {
  readonly #problem: (error: unknown) => void;
  readonly #loaded: Promise<void>;
  #client: StatsD | undefined;
  #backlog: [kind: MetricKind, name: string, value: number][] = [];

  constructor(server: StatsServer, problem: (error: unknown) => void) {
    this.#problem = problem;
    this.#loaded = this.#load(server).catch(problem);
  }

  timing(name: string, ms: number): void {
    this.#send('timing', name, ms);
  }

  increment(name: string, value = 1): void {
    this.#send('increment', name, value);
  }

  gauge(name: string, value: number): void {
    this.#send('gauge', name, value);
  }

  /** Loaded only when needed: most schedulers bring their own client or none. */
  async #load(server: StatsServer): Promise<void> {
    const { default: HotShots } = await import('hot-shots');
    const client = new HotShots({
      host: server.host,
      port: server.port ?? DEFAULT_PORT,
      prefix: server.prefix ?? '',
      maxBufferSize: MAX_DATAGRAM_BYTES,
      errorHandler: this.#problem,
      // Its own cache (cacheDns) takes ::1 for `localhost` where that comes first, and sends it to an IPv4 socket.
      ...(isIP(server.host) === 0 ? { udpSocketOptions: { type: 'udp4', lookup: cachedLookup() } } : {}),
      // Both would otherwise be switched on by DD_* variables in the environment.
      datadog: false,
      includeDataDogTags: false,
    });
    this.#client = client;
    const backlog = this.#backlog;
    this.#backlog = [];
    for (const [kind, name, value] of backlog) client[kind](name, value);
  }

  #send(kind: MetricKind, name: string, value: number): void {
    if (this.#client !== undefined) this.#client[kind](name, value);
    else if (this.#backlog.length < MAX_BACKLOG) this.#backlog.push([kind, name, value]);
    else this.#problem(new Error(`more than ${String(MAX_BACKLOG)} metrics before hot-shots was loaded`));
  }

  async end(): Promise<void> {
    await this.#loaded;
    const client = this.#client;
    if (client === undefined) return;
    await new Promise<void>(resolve => {
      const timeout = setTimeout(resolve, CLOSE_TIMEOUT_MS);
      const done = (): void => {
        clearTimeout(timeout);
        resolve();
      };
      client.close(error => {
        if (!error) {
          done();
          return;
        }
        this.#problem(error);
        // When its last datagram fails, hot-shots leaves the socket open; the second time there is none to send.
        client.close(done);
      });
    });
  }
}
