/** Why a request to a master was refused, and how it is said. */
import type { MasterErrorCode } from './master-error.js';

/** As `error.code` in the answer's JSON. */
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

/** Its message is for the other side to read. */
export class Refusal extends Error {
  readonly statusCode: number;
  readonly code: RefusalCode;
  /** Headers of the answer. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(statusCode: number, code: RefusalCode, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.statusCode = statusCode;
    this.code = code;
    this.headers = headers;
  }
}

/** For who has not said, in a way that is believed, who it is. */
export function noToken(code: RefusalCode, message: string): Refusal {
  return new Refusal(401, code, message, { 'www-authenticate': 'Bearer' });
}

/** For who is to come again after a while. */
export function tooMany(code: RefusalCode, message: string, waitMs: number): Refusal {
  return new Refusal(429, code, message, { 'retry-after': String(Math.ceil(waitMs / 1000)) });
}

/** What Fastify itself refuses has a status of its own; all else is the master's fault, and its inside no matter of the shard's. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const { statusCode, message, code } = error as { statusCode?: unknown; message?: unknown; code?: unknown };
  if (code === ('ERR_UNKNOWN_SHARD' satisfies MasterErrorCode)) {
    return noToken('ERR_TOKEN_UNKNOWN', 'the shard of the token has been removed');
  }
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode >= 500) {
    return new Refusal(500, 'ERR_MASTER_FAILED', 'the master failed; its log says why, under this request id');
  }
  return new Refusal(statusCode, codeOf(statusCode), String(message));
}

function codeOf(statusCode: number): RefusalCode {
  if (statusCode === 400) return 'ERR_PACKET_MALFORMED';
  if (statusCode === 413) return 'ERR_PACKET_TOO_LARGE';
  return statusCode === 415 ? 'ERR_PACKET_TYPE' : 'ERR_REQUEST';
}
