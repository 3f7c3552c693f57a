/**
 * Why a master refused a call. Nothing was changed.
 *
 * - `ERR_UNKNOWN_SHARD`: no shard has that hostname. Add it first.
 * - `ERR_OTHER_SHARD`: a shard's packet names another shard. Check the token's `shardHostname`.
 * - `ERR_NOT_FOUND`: the named host, job, label, user or group does not exist, or was removed. Create it first.
 * - `ERR_EXISTS`: the name is already in use. Choose another one.
 * - `ERR_LABEL_TAKEN`: the label belongs to another shard, which the message names. Take it from that shard first.
 * - `ERR_IN_USE`: something still needs the object to be removed. The message names it.
 */
export type MasterErrorCode =
  'ERR_UNKNOWN_SHARD' | 'ERR_OTHER_SHARD' | 'ERR_NOT_FOUND' | 'ERR_EXISTS' | 'ERR_LABEL_TAKEN' | 'ERR_IN_USE';

/** A master refused a call; nothing was changed. */
export class MasterError extends Error {
  override readonly name = 'MasterError';
  readonly code: MasterErrorCode;

  /** @internal */
  constructor(code: MasterErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
