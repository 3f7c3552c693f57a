import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { type Clock, clockOption } from '../../wait/clock.js';
import { quote } from '../../report/untrusted-text.js';
import { bytes, number, text } from '../../option/option-kinds.js';
import { readOptions, type Settings, type Table } from '../../option/option-table.js';
import { type Log, logOption, withNamedLog } from '../../report/log.js';
import { type StatsTarget, metricsOption } from '../../report/metrics-target.js';
import { HEARTBEAT_VERSION, type HeartbeatPacket, HeartbeatPacketSchema, type HeartbeatReply } from './heartbeat.js';
import { checkPacket, checkReply } from './heartbeat-check.js';
import {
  DEFAULT_MAX_BODY_BYTES,
  encodingOf,
  gzipped,
  inflated,
  InflatedTooLarge,
  MAX_BODY_BYTES,
  parseJson,
} from './json-body.js';
import { checkJsonBounds } from './json-bounds.js';
import { RateLimit } from './rate-limit.js';
import { noToken, Refusal, refusalOf, tooMany } from './refusal.js';
import { type Requester, RouteReports } from './route-reports.js';
import { TokenLooks } from './token-looks.js';
import { HeartbeatTurns, type Turn } from './heartbeat-turns.js';

/** The part of a `ShardMaster` that the routes use. */
export interface HeartbeatMaster {
  /** Takes a shard's packet and resolves with the reply; rejects with a MasterError. */
  heartbeat(shardHostname: string, packet: HeartbeatPacket): Promise<HeartbeatReply>;
  /** The hostname of the token's shard; undefined for an unknown token. */
  hostnameOfToken(token: string): Promise<string | undefined>;
}

/** Options of a master's routes. */
export interface ShardRoutesOptions {
  /**
   * Most bytes of a packet, compressed or not. Default 32 MiB; 20,000 jobs and 2,000 hosts with 1,000 uploads take some 3 MiB.
   */
  maxPacketBytes?: number | undefined;
  /**
   * Heartbeats of one shard per minute, which may come all at once; further ones get 429 with Retry-After. `Infinity` for
   * no limit. Default 120.
   */
  heartbeatsPerMinute?: number | undefined;
  /** In metrics and log lines. Default `shard_master`. */
  name?: string | undefined;
  /** Where metrics go. Default: nowhere. */
  stats?: StatsTarget | undefined;
  /** A refused request is a warning once an hour for each shard (or address) and code, otherwise a debug line. Default: silent. */
  log?: Log | undefined;
  /** For rate limits. Default: real time. */
  clock?: Clock | undefined;
}

export const SHARD_ROUTES = {
  maxPacketBytes: bytes({ from: 1, to: MAX_BODY_BYTES }).or(DEFAULT_MAX_BODY_BYTES),
  heartbeatsPerMinute: number({ from: 1, to: Infinity }).or(120),
  name: text().or('shard_master'),
  stats: metricsOption(),
  log: logOption(),
  clock: clockOption(),
} satisfies Table<ShardRoutesOptions>;

type RoutesSettings = Settings<typeof SHARD_ROUTES>;

/** Retry-After while the shard's last heartbeat is at work. */
const UNDER_WAY_WAIT_MS = 5_000;

/**
 * Routes for `app.register`: `POST /v1/heartbeat` for shards with their token (`Authorization: Bearer …`), and
 * `GET /v1/health` for everyone, which does not look at the store. A refusal is JSON, `{ error: { code, message, requestId } }`;
 * the request id comes from `X-Request-Id` or is new, and is in the answer's header of that name and in the log. The rest of
 * your server keeps its content types, error handlers and hooks.
 *
 * A shard has one heartbeat at a time; another one meanwhile gets 429. Set the server's `requestTimeout`, as Fastify's default
 * is none: a shard could send a packet for days.
 *
 * ```ts
 * const app = Fastify({ https: { cert, key }, requestTimeout: 300_000 });
 * await app.register(shardRoutes(master, { log: console }));
 * await app.listen({ host: '::', port: 8490 });
 * ```
 *
 * Throws a TypeError (`ERR_INVALID_ARG`) that names the wrong option.
 */
export function shardRoutes(master: HeartbeatMaster, options: ShardRoutesOptions = {}): FastifyPluginAsync {
  const settings = withNamedLog(readOptions(SHARD_ROUTES, options), 'master');
  return async app => {
    new Routes(master, settings).addTo(app);
  };
}

class Routes {
  readonly #master: HeartbeatMaster;
  readonly #settings: RoutesSettings;
  readonly #limit: RateLimit;
  readonly #tokens: TokenLooks;
  readonly #reports: RouteReports;
  readonly #turns = new HeartbeatTurns();
  /** The shard of a request's token. */
  readonly #shards = new WeakMap<FastifyRequest, string>();
  readonly #turnOf = new WeakMap<FastifyRequest, Turn>();
  #isClosing = false;

  constructor(master: HeartbeatMaster, settings: RoutesSettings) {
    this.#master = master;
    this.#settings = settings;
    const { heartbeatsPerMinute, clock } = settings;
    this.#limit = new RateLimit(heartbeatsPerMinute, clock);
    this.#tokens = new TokenLooks(token => master.hostnameOfToken(token), clock);
    this.#reports = new RouteReports(settings);
  }

  addTo(app: FastifyInstance): void {
    const bodyLimit = this.#settings.maxPacketBytes;
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      'application/json',
      { parseAs: 'buffer', bodyLimit },
      (request: FastifyRequest, body: Buffer) => this.#work(request, () => this.#packetIn(request, body)),
    );
    app.setErrorHandler((error, request, reply) => this.#refuse(error, request, reply));
    app.addHook('onRequest', async (request, reply) => {
      request.id = requestIdOf(request);
      reply.header('x-request-id', request.id);
    });
    // Otherwise a kept connection with a heartbeat on it would delay the server's close by a minute.
    app.addHook('preClose', async () => {
      this.#isClosing = true;
    });
    app.addHook('onSend', async (request, reply) => {
      if (this.#isClosing && request.raw.httpVersionMajor < 2) reply.header('connection', 'close');
    });
    app.addHook('onClose', () => this.#reports.close());
    app.get('/v1/health', () => ({ status: 'ok', version: HEARTBEAT_VERSION }));
    app.post('/v1/heartbeat', {
      bodyLimit,
      schema: { body: HeartbeatPacketSchema },
      // Fastify's own compiler would turn '5' into 5 and 5 into [5], and drop unknown fields.
      validatorCompiler: () => packetOrError,
      // Before the body is read.
      onRequest: (request, reply) => this.#authenticate(request, reply),
      handler: (request, reply) => this.#work(request, () => this.#heartbeat(request, reply)),
    });
  }

  async #authenticate(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const token = /^Bearer +([\x21-\x7e]+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined) {
      throw noToken('ERR_TOKEN_MISSING', 'a heartbeat needs a header Authorization: Bearer <token>');
    }
    const last = this.#tokens.lastHostnameOf(token);
    // Before the check, so that a shard that retries in a tight loop does not keep the store busy.
    if (last !== undefined) this.#count(request, last);
    const shardHostname = await this.#tokens.hostnameOf(token, request.ip);
    if (last !== shardHostname) this.#count(request, shardHostname);
    const turn = this.#turns.take(shardHostname, reply.raw);
    if (turn === undefined) {
      const text = 'the master is still at work on a heartbeat of this shard';
      throw tooMany('ERR_HEARTBEAT_UNDER_WAY', text, UNDER_WAY_WAIT_MS);
    }
    this.#turnOf.set(request, turn);
  }

  #count(request: FastifyRequest, shardHostname: string): void {
    this.#shards.set(request, shardHostname);
    const waitMs = this.#limit.take(shardHostname);
    if (waitMs === 0) return;
    const text = `more than ${String(this.#settings.heartbeatsPerMinute)} heartbeats a minute`;
    throw tooMany('ERR_TOO_MANY_HEARTBEATS', text, waitMs);
  }

  async #work<T>(request: FastifyRequest, fn: () => Promise<T>): Promise<T> {
    const turn = this.#turnOf.get(request);
    if (turn === undefined) throw new TypeError('a request that was not let in');
    return turn.work(fn);
  }

  async #packetIn(request: FastifyRequest, body: Buffer): Promise<unknown> {
    const { maxPacketBytes } = this.#settings;
    const encoding = encodingOf(request.headers);
    if (encoding !== 'identity' && encoding !== 'gzip') {
      throw new Refusal(415, 'ERR_PACKET_TYPE', `the packet is encoded as ${quote(encoding)}, not as gzip`);
    }
    try {
      const text = encoding === 'gzip' ? await inflated(body, maxPacketBytes) : body;
      this.#reports.received(text.length);
      checkJsonBounds(text);
      return parseJson(text);
    } catch (error) {
      if (error instanceof InflatedTooLarge || error instanceof RangeError)
        throw new Refusal(413, 'ERR_PACKET_TOO_LARGE', `the packet ${error.message}`);
      throw new Refusal(400, 'ERR_PACKET_MALFORMED', `the packet ${(error as Error).message}`);
    }
  }

  async #heartbeat(request: FastifyRequest, reply: FastifyReply): Promise<Buffer> {
    const packet = request.body as HeartbeatPacket;
    const shardHostname = this.#shards.get(request);
    if (shardHostname === undefined || shardHostname !== packet.shardHostname) {
      // Its shard's name is for the master's log only: the token may be stolen.
      const text = `the token belongs to another shard, the packet to ${quote(packet.shardHostname)}`;
      throw new Refusal(403, 'ERR_OTHER_SHARD', text);
    }
    if (packet.version > HEARTBEAT_VERSION) {
      const text = `a packet of version ${String(packet.version)}, and the master's is ${String(HEARTBEAT_VERSION)}`;
      throw new Refusal(400, 'ERR_PACKET_SCHEMA', text);
    }
    const given = await this.#master.heartbeat(shardHostname, packet);
    // The shard would refuse an invalid reply, but only the master can log why.
    checkReply(given);
    const text = Buffer.from(JSON.stringify(given));
    const small = takesGzip(request) ? await gzipped(text) : undefined;
    reply.headers({ 'content-type': 'application/json; charset=utf-8', vary: 'accept-encoding' });
    if (small !== undefined) reply.header('content-encoding', 'gzip');
    this.#reports.answered(this.#requesterOf(request), text.length, small?.length ?? text.length);
    return small ?? text;
  }

  async #refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const refusal = refusalOf(error);
    this.#reports.refused(refusal, error, this.#requesterOf(request));
    const { statusCode, code, message, headers } = refusal;
    return reply
      .code(statusCode)
      .headers(headers)
      .send({ error: { code, message, requestId: request.id } });
  }

  #requesterOf(request: FastifyRequest): Requester {
    return { address: request.ip, shardHostname: this.#shards.get(request), requestId: request.id };
  }
}

function packetOrError(value: unknown): { value: unknown } | { error: Refusal } {
  try {
    checkPacket(value);
    return { value };
  } catch (error) {
    return { error: new Refusal(400, 'ERR_PACKET_SCHEMA', (error as Error).message) };
  }
}

/** A well-formed one of the proxy or shard, else a new one: it goes into logs. */
function requestIdOf({ headers }: FastifyRequest): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID();
}

function takesGzip({ headers }: FastifyRequest): boolean {
  const offers = headers['accept-encoding'] ?? '';
  return offers.split(',').some(offer => /^\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$).+)?$/i.test(offer));
}
