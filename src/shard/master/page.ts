/** A page of a list that goes by ids. */
import { invalidArgument } from '../../option/invalid-argument.js';
import { integerOf } from './fields.js';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 10_000;

/** Throws TypeError (`ERR_INVALID_ARG`). */
export function readPage({
  afterId = 0,
  limit = DEFAULT_LIMIT,
}: {
  afterId?: number | undefined;
  limit?: number | undefined;
}): { afterId: number; limit: number } {
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT)
    return { afterId: integerOf('afterId', afterId), limit };
  throw invalidArgument('limit', limit, `an integer from 1 to ${String(MAX_LIMIT)}`);
}
