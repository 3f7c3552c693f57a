/** Why a heartbeat came to nothing. */

/**
 * - `ERR_MASTER_UNREACHABLE`: refused, reset, no such name, no TLS: no answer came.
 * - `ERR_MASTER_TIMEOUT`: no whole answer came in time.
 * - `ERR_MASTER_HTTP`: an answer with a status other than 200; `status` has it. 401 and 403: the token is not this shard's.
 * - `ERR_REPLY_MALFORMED`: not JSON, not what it says it is, or cut off.
 * - `ERR_REPLY_TOO_LARGE`: larger than `maxReplyBytes`.
 * - `ERR_REPLY_SCHEMA`: JSON that is no reply.
 * - `ERR_LINK_CLOSED`: this program has closed its link to the master.
 */
export type HeartbeatErrorCode =
  | 'ERR_MASTER_UNREACHABLE'
  | 'ERR_MASTER_TIMEOUT'
  | 'ERR_MASTER_HTTP'
  | 'ERR_REPLY_MALFORMED'
  | 'ERR_REPLY_TOO_LARGE'
  | 'ERR_REPLY_SCHEMA'
  | 'ERR_LINK_CLOSED';

/** A heartbeat failed; the next one may go well. */
export class HeartbeatError extends Error {
  override readonly name = 'HeartbeatError';
  readonly code: HeartbeatErrorCode;
  /** Of the HTTP answer. */
  readonly status: number | undefined;
  /** How long the master wants to be left alone, ms: the answer's Retry-After. */
  readonly retryAfterMs: number | undefined;

  /** For a MasterLink of your own. */
  constructor(
    code: HeartbeatErrorCode,
    message: string,
    facts: { status?: number | undefined; retryAfterMs?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, 'cause' in facts ? { cause: facts.cause } : undefined);
    this.code = code;
    this.status = facts.status;
    this.retryAfterMs = facts.retryAfterMs;
  }
}
