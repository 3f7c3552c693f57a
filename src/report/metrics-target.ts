import { isIP } from 'node:net';
import type { StatsD } from 'hot-shots';
import { cachedLookup } from './cached-lookup.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { checked, integer, text } from '../option/option-kinds.js';
import { Option, readOptions, type Table } from '../option/option-table.js';

/** A metrics client, such as that of hot-shots. */
export interface StatsClient {
  /** Milliseconds. */
  timing(name: string, ms: number): void;
  /** Adds `value` (default 1) to a counter. */
  increment(name: string, value?: number): void;
  /** Sets a gauge. */
  gauge(name: string, value: number): void;
  /** Never called on your own client. */
  close?(callback?: (error?: Error) => void): void;
}

/** A StatsD server. */
export interface StatsServer {
  /** Name or address. A name must have an IPv4 address; the lookup is repeated once a minute. */
  readonly host: string;
  /** UDP port. Default 8125. */
  readonly port?: number | undefined;
  /** Precedes every metric's name, separated by a dot: letters, digits, `_`, `-` and dots. Default: none. */
  readonly prefix?: string | undefined;
}

/**
 * Where metrics go: your own client, which you close, or a StatsD server, which receives them over UDP, many per
 * datagram, within a second. If the server is down, unknown or slow, or the client throws, the failure is counted and
 * logged.
 */
export type StatsTarget = StatsClient | StatsServer;

const METRIC_KINDS = ['timing', 'increment', 'gauge'] as const;
export type MetricKind = (typeof METRIC_KINDS)[number];

export const metricsOption = (): Option<StatsTarget> =>
  new Option('a StatsD client, or a server', given => {
    if (given === undefined) return undefined;
    if (typeof given !== 'object' || given === null) {
      throw invalidArgument('stats', given, 'a StatsD client, or { host, port, prefix }');
    }
    const target = given as StatsTarget;
    if (!isClient(target)) readOptions(STATS_SERVER, target, 'stats');
    else for (const kind of METRIC_KINDS) checkMethod(target, kind);
    return target;
  });

function checkMethod(client: StatsClient, kind: MetricKind): void {
  if (typeof client[kind] !== 'function') throw invalidArgument(`stats.${kind}`, client[kind], 'a function');
}

export const STATS_SERVER = {
  host: text('a name or an address').required,
  port: integer({ from: 1, to: 65_535 }),
  prefix: checked<string>(
    'letters, digits, _, - and dots',
    prefix => typeof prefix === 'string' && /^[\w.-]*$/.test(prefix),
  ),
} satisfies Table<StatsServer>;

/** Looks for methods, as a hot-shots client has a `host` too. */
export function isClient(target: StatsTarget): target is StatsClient {
  return METRIC_KINDS.some(kind => kind in target);
}

const DEFAULT_PORT = 8125;
/** The UDP payload of an Ethernet frame over IPv6, so that no datagram is split. */
const MAX_DATAGRAM_BYTES = 1432;
const CLOSE_TIMEOUT_MS = 1000;
/** Metrics kept while hot-shots loads. */
const MAX_BACKLOG = 1000;

/** Our own hot-shots client. */
export class StatsdClient {
  readonly #problem: (error: unknown) => void;
  readonly #loaded: Promise<void>;
  #client: StatsD | undefined;
  readonly #backlog: [kind: MetricKind, name: string, value: number][] = [];

  constructor(server: StatsServer, problem: (error: unknown) => void) {
    this.#problem = problem;
    this.#loaded = this.#load(server).catch(problem);
  }

  readonly send = (kind: MetricKind, name: string, value: number): void => {
    if (this.#client !== undefined) this.#client[kind](name, value);
    else if (this.#backlog.length < MAX_BACKLOG) this.#backlog.push([kind, name, value]);
    else this.#problem(new Error(`more than ${String(MAX_BACKLOG)} metrics before hot-shots was loaded`));
  };

  /** Loads hot-shots only when needed: most schedulers bring their own client or none. */
  async #load(server: StatsServer): Promise<void> {
    const { default: HotShots } = await import('hot-shots');
    const client = new HotShots({
      host: server.host,
      port: server.port ?? DEFAULT_PORT,
      prefix: server.prefix ?? '',
      maxBufferSize: MAX_DATAGRAM_BYTES,
      errorHandler: this.#problem,
      // hot-shots' own cacheDns may take ::1 for `localhost`, and sends that to an IPv4 socket.
      ...(isIP(server.host) === 0 ? { udpSocketOptions: { type: 'udp4', lookup: cachedLookup() } } : {}),
      // DD_* variables in the environment would otherwise switch both on.
      datadog: false,
      includeDataDogTags: false,
    });
    this.#client = client;
    for (const [kind, name, value] of this.#backlog.splice(0)) client[kind](name, value);
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
        if (error) this.#problem(error);
        // When its last datagram fails, hot-shots leaves the socket open; the second time there is none to send.
        if (error) client.close(done);
        else done();
      });
    });
  }
}
