/**
 * Why a heartbeat failed. The shard keeps its uploads until the master has acknowledged them.
 *
 * - `ERR_MASTER_UNREACHABLE`: no answer: connection refused or reset, unknown name, or TLS failure. See `cause`.
 * - `ERR_MASTER_TIMEOUT`: no complete answer came within `timeoutMs`. Raise it for a slow network.
 * - `ERR_MASTER_HTTP`: the answer's `status` is not 200. With 401 and 403, the token does not belong to this shard.
 * - `ERR_REPLY_MALFORMED`: the reply is not JSON, has a wrong type or encoding, or is cut off. Check for a proxy in
 *   between.
 * - `ERR_REPLY_TOO_LARGE`: the reply exceeds `maxReplyBytes`. Raise the limit above the master's.
 * - `ERR_REPLY_SCHEMA`: the reply does not have the expected structure, or has a newer version. Update the shard.
 * - `ERR_LINK_CLOSED`: this program closed its link to the master. Create a new link.
 */
export type HeartbeatErrorCode =
  | 'ERR_MASTER_UNREACHABLE'
  | 'ERR_MASTER_TIMEOUT'
  | 'ERR_MASTER_HTTP'
  | 'ERR_REPLY_MALFORMED'
  | 'ERR_REPLY_TOO_LARGE'
  | 'ERR_REPLY_SCHEMA'
  | 'ERR_LINK_CLOSED';

/** A heartbeat failed; the next one may succeed. */
export class HeartbeatError extends Error {
  override readonly name = 'HeartbeatError';
  readonly code: HeartbeatErrorCode;
  /** The status of the HTTP answer. */
  readonly status: number | undefined;
  /** The answer's Retry-After, ms. */
  readonly retryAfterMs: number | undefined;

  /** For custom MasterLinks. */
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
