/** Refusals of requests to a master. */
import type { MasterErrorCode } from './master-error.js';

/**
 * `error.code` in the JSON of a master's HTTP answer. The shard tries again with its next heartbeat.
 *
 * - `ERR_TOKEN_MISSING` (401): the request has no header `Authorization: Bearer <token>`. Give the shard its token.
 * - `ERR_TOKEN_UNKNOWN` (401): the token belongs to no shard, or its shard was removed. Give the shard a valid token.
 * - `ERR_OTHER_SHARD` (403): the packet and the token belong to different shards. Check `shardHostname` and the token.
 * - `ERR_TOO_MANY_HEARTBEATS` (429): the shard exceeds `heartbeatsPerMinute`. It automatically waits for Retry-After.
 * - `ERR_TOO_MANY_TOKENS` (429): too many unknown tokens came from this address. Correct the token; Retry-After gives
 *   the wait.
 * - `ERR_HEARTBEAT_UNDER_WAY` (429): the master is still processing a heartbeat of this shard. The shard waits
 *   automatically.
 * - `ERR_PACKET_MALFORMED` (400): the packet is not valid JSON or gzip, or was cut off. Check for a proxy that changes
 *   bodies.
 * - `ERR_PACKET_SCHEMA` (400): the packet does not have the expected structure, or has a newer version. Update the
 *   master.
 * - `ERR_PACKET_TOO_LARGE` (413): the packet exceeds `maxPacketBytes`. The shard uploads less at once.
 * - `ERR_PACKET_TYPE` (415): the packet is neither JSON nor gzipped JSON. Check for a proxy that changes headers.
 * - `ERR_REQUEST` (4xx): another refusal of the HTTP server, or a connection that ended before its packet was complete.
 *   The message gives the reason.
 * - `ERR_MASTER_FAILED` (500): the master failed. Its log has the reason, under the answer's `requestId`.
 */
export type RefusalCode =
  | 'ERR_TOKEN_MISSING'
  | 'ERR_TOKEN_UNKNOWN'
  | 'ERR_OTHER_SHARD'
  | 'ERR_TOO_MANY_HEARTBEATS'
  | 'ERR_TOO_MANY_TOKENS'
  | 'ERR_HEARTBEAT_UNDER_WAY'
  | 'ERR_PACKET_MALFORMED'
  | 'ERR_PACKET_SCHEMA'
  | 'ERR_PACKET_TOO_LARGE'
  | 'ERR_PACKET_TYPE'
  | 'ERR_REQUEST'
  | 'ERR_MASTER_FAILED';

/** Its message is sent to the requester. */
export class Refusal extends Error {
  readonly statusCode: number;
  readonly code: RefusalCode;
  readonly headers: Readonly<Record<string, string>>;

  constructor(statusCode: number, code: RefusalCode, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.statusCode = statusCode;
    this.code = code;
    this.headers = headers;
  }
}

export function noToken(code: RefusalCode, message: string): Refusal {
  return new Refusal(401, code, message, { 'www-authenticate': 'Bearer' });
}

export function tooMany(code: RefusalCode, message: string, waitMs: number): Refusal {
  return new Refusal(429, code, message, { 'retry-after': String(Math.ceil(waitMs / 1000)) });
}

/** Fastify's own refusals have a status; any other error is a failure of the master, whose details stay in its log. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const { statusCode, message, code } = error as { statusCode?: unknown; message?: unknown; code?: unknown };
  if (code === ('ERR_UNKNOWN_SHARD' satisfies MasterErrorCode)) {
    return noToken('ERR_TOKEN_UNKNOWN', 'the shard of the token has been removed');
  }
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode >= 500) {
    return new Refusal(500, 'ERR_MASTER_FAILED', 'the master failed; its log has the reason, under this request id');
  }
  return new Refusal(statusCode, codeOf(statusCode), String(message));
}

function codeOf(statusCode: number): RefusalCode {
  if (statusCode === 400) return 'ERR_PACKET_MALFORMED';
  if (statusCode === 413) return 'ERR_PACKET_TOO_LARGE';
  return statusCode === 415 ? 'ERR_PACKET_TYPE' : 'ERR_REQUEST';
}
