import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { raceAbort } from '../../wait/abort.js';
import { Deadline } from '../../wait/deadline.js';
import { oneLine } from '../../report/untrusted-text.js';
import { outsideSections } from '../../wait/section-guard.js';
import type { HeartbeatPacket, HeartbeatReply } from './heartbeat.js';
import { checkReply } from './heartbeat-check.js';
import { HeartbeatError } from './heartbeat-error.js';
import {
  type HttpMasterLinkOptions,
  type HttpMasterLinkSettings,
  readLinkOptions,
} from './http-master-link-options.js';
import { type Answer, AnswerTooLarge, BrokenAnswer, NoAnswer, post } from './http-post.js';
import { encodingOf, gzipped, inflated, InflatedTooLarge, parseJson } from './json-body.js';
import type { HeartbeatExchange, MasterLink } from './master-link.js';

/**
 * Connects a shard to its master over HTTP or HTTPS. An idle connection stays open, but does not keep the process
 * alive.
 *
 * ```ts
 * await using link = new HttpMasterLink({ url: 'https://farm.example:8490', token });
 * const client = new ShardClient(store, link, { shardHostname: 'shard-1' });
 * ```
 */
export class HttpMasterLink implements MasterLink {
  readonly #settings: HttpMasterLinkSettings;
  // Not fetch: a custom CA would need the undici package, in the version that Node bundles.
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #master: string;
  readonly #closing = new AbortController();

  /** Throws a TypeError (`ERR_INVALID_ARG`) that names the invalid option. The first heartbeat connects. */
  constructor(options: HttpMasterLinkOptions) {
    this.#settings = readLinkOptions(options);
    const { url, tls } = this.#settings;
    this.#agent =
      url.protocol === 'https:' ? new HttpsAgent({ ...tls, keepAlive: true }) : new HttpAgent({ keepAlive: true });
    this.#master = `the master at ${url.origin}`;
  }

  /** As in MasterLink. If the master has closed the idle connection, the packet is sent once more over a new one. */
  heartbeat(packet: HeartbeatPacket, signal: AbortSignal): Promise<HeartbeatExchange> {
    return outsideSections(`a heartbeat to ${this.#master}`, () => this.#inTime(packet, signal));
  }

  /** Ends the connection. A running heartbeat and all later ones reject with `ERR_LINK_CLOSED`. */
  close(): void {
    this.#closing.abort(new HeartbeatError('ERR_LINK_CLOSED', `the link to ${this.#master} was closed`));
    this.#agent.destroy();
  }

  /** `close()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  async #inTime(packet: HeartbeatPacket, signal: AbortSignal): Promise<HeartbeatExchange> {
    const { timeoutMs } = this.#settings;
    const text = `${this.#master} sent no complete reply within ${String(timeoutMs)} ms`;
    const reason = new HeartbeatError('ERR_MASTER_TIMEOUT', text);
    const limit = new Deadline([signal, this.#closing.signal], { limitMs: timeoutMs, reason });
    try {
      limit.signal.throwIfAborted();
      return await raceAbort(limit.signal, this.#exchange(packet, limit.signal));
    } finally {
      limit.release();
    }
  }

  async #exchange(packet: HeartbeatPacket, signal: AbortSignal): Promise<HeartbeatExchange> {
    const text = Buffer.from(JSON.stringify(packet));
    const body = await gzipped(text);
    const encoding = body === undefined ? {} : { 'content-encoding': 'gzip' };
    const answer = await this.#answerTo(body ?? text, encoding, signal);
    if (answer.status !== 200) throw this.#refusal(answer, (body ?? text).length);
    const replyText = await this.#inflated(answer);
    return { reply: this.#replyIn(answer, replyText), requestBytes: text.length, responseBytes: replyText.length };
  }

  async #answerTo(body: Buffer, encoding: Record<string, string>, signal: AbortSignal): Promise<Answer> {
    const { url, token, maxReplyBytes } = this.#settings;
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json',
      'accept-encoding': 'gzip',
      ...encoding,
    };
    const what = { url, agent: this.#agent, headers, body, maxAnswerBytes: maxReplyBytes };
    try {
      return await post(what, signal).catch((error: unknown) => {
        if (error instanceof NoAnswer && error.onOldConnection) return post(what, signal);
        throw error;
      });
    } catch (error) {
      if (error instanceof NoAnswer) {
        const text = `${this.#master} cannot be reached: ${this.#foreign(error.message)}`;
        throw new HeartbeatError('ERR_MASTER_UNREACHABLE', text, { cause: error.cause });
      }
      if (error instanceof BrokenAnswer) throw this.#malformed(`is broken: ${error.message}`, error.cause);
      if (!(error instanceof AnswerTooLarge)) throw error;
      if (error.status === 200) throw this.#tooLarge(error);
      throw this.#refusal({ status: error.status, headers: error.headers, body: Buffer.of() }, body.length);
    }
  }

  async #inflated({ headers, body }: Answer): Promise<Buffer> {
    const type = headers['content-type'] ?? 'of unknown type';
    if (!/^application\/json\s*(;|$)/i.test(type)) throw this.#malformed(`is ${type}, not application/json`);
    const encoding = encodingOf(headers);
    if (encoding === 'identity') return body;
    if (encoding !== 'gzip') throw this.#malformed(`is encoded as ${encoding}, which was not requested`);
    try {
      return await inflated(body, this.#settings.maxReplyBytes);
    } catch (error) {
      if (error instanceof InflatedTooLarge) throw this.#tooLarge(error);
      throw this.#malformed((error as Error).message, error);
    }
  }

  #replyIn(answer: Answer, text: Buffer): HeartbeatReply {
    let reply: unknown;
    try {
      reply = parseJson(text);
    } catch (error) {
      throw this.#malformed((error as Error).message, error);
    }
    try {
      checkReply(reply);
    } catch (error) {
      const { message } = error as Error;
      throw new HeartbeatError('ERR_REPLY_SCHEMA', `${this.#master} sent no valid reply: ${this.#foreign(message)}`, {
        status: answer.status,
        cause: error,
      });
    }
    return reply;
  }

  #malformed(how: string, cause?: unknown): HeartbeatError {
    const text = `the reply of ${this.#master} ${this.#foreign(how)}`;
    return new HeartbeatError('ERR_REPLY_MALFORMED', text, cause === undefined ? {} : { cause });
  }

  #tooLarge(cause: Error): HeartbeatError {
    const text = `the reply of ${this.#master} is larger than ${String(this.#settings.maxReplyBytes)} bytes (maxReplyBytes)`;
    return new HeartbeatError('ERR_REPLY_TOO_LARGE', text, { cause });
  }

  #refusal({ status, headers, body }: Answer, sentBytes: number): HeartbeatError {
    const why = this.#foreign(reasonIn(body));
    const said = `${this.#master} answered ${String(status)}${why === '' ? '' : `: ${why}`}`;
    const text = status === 413 ? `${said}; ${String(sentBytes)} bytes were sent: ${SIZE_LIMITS}` : said;
    return new HeartbeatError('ERR_MASTER_HTTP', text, { status, retryAfterMs: retryAfterMs(headers['retry-after']) });
  }

  /** An answer may echo the token. */
  #foreign(text: string): string {
    return oneLine(text.replaceAll(this.#settings.token, '(token)'));
  }
}

const SIZE_LIMITS = 'raise maxPacketBytes of the master, or the limit of a proxy such as client_max_body_size of nginx';

/** The message of a refusal; empty when the answer is not from our master. */
function reasonIn(body: Buffer): string {
  try {
    const { error } = parseJson(body) as { error?: { code?: unknown; message?: unknown; requestId?: unknown } };
    const { code, message, requestId } = error ?? {};
    if (typeof message !== 'string') return '';
    return `${message} (${[code, requestId].filter(part => typeof part === 'string').join(', request ')})`;
  } catch {
    return ''; // Such as a proxy's page, whose status says enough.
  }
}

/** Seconds, or a date. */
function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
