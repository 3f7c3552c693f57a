/** Callbacks that look as if they did something: one that returns no promise, or a query that was not executed. */
import { invalidArgument } from '../option/invalid-argument.js';
import { StoreError } from './store-error.js';

/** Throws a TypeError (`ERR_INVALID_ARG`), or a StoreError (`ERR_UNAWAITED_WORK`) for a query. */
export function refuseNoPromise(returned: unknown, title: string): void {
  if (isThenable(returned)) return;
  refuseQueries(returned, title);
  throw invalidArgument(
    `what the callback of the ${title} returned`,
    returned,
    'a promise: make it async, and await what it does',
  );
}

/** Throws a StoreError (`ERR_UNAWAITED_WORK`). */
export function refuseQueries(value: unknown, title: string): void {
  if (!isQuery(value) && !(Array.isArray(value) && value.some(isQuery))) return;
  const text = `the ${title} returned a query that was not executed: call .execute(), and await it`;
  throw new StoreError('ERR_UNAWAITED_WORK', text);
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function';
}

/** All of Kysely's builders and raw fragments are sources of nodes. */
function isQuery(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { toOperationNode, execute } = value as { toOperationNode?: unknown; execute?: unknown };
  return typeof toOperationNode === 'function' && typeof execute === 'function';
}
