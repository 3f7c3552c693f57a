/** What a master refuses. */

/**
 * - `ERR_UNKNOWN_SHARD`: no shard has that hostname.
 * - `ERR_OTHER_SHARD`: a shard's packet names another shard.
 * - `ERR_NOT_FOUND`: what was named is not there; removed hosts are not.
 * - `ERR_EXISTS`: there is one of that name already.
 * - `ERR_LABEL_TAKEN`: the label is another shard's, which the message names.
 * - `ERR_IN_USE`: something else needs what was to be removed.
 */
export type MasterErrorCode =
  'ERR_UNKNOWN_SHARD' | 'ERR_OTHER_SHARD' | 'ERR_NOT_FOUND' | 'ERR_EXISTS' | 'ERR_LABEL_TAKEN' | 'ERR_IN_USE';

/** A master did not do what it was told to; nothing was changed. */
export class MasterError extends Error {
  override readonly name = 'MasterError';
  readonly code: MasterErrorCode;

  /** @internal */
  constructor(code: MasterErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
