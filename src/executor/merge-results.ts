/** Refs that keep merge results. Below `refs/drone` are the refs of a copy that are not the remote's. */
import { randomUUID } from 'node:crypto';

export const RESULT_REFS = 'refs/drone/merges';

/** Names a merge result. */
export function newResultRef(): string {
  return `${RESULT_REFS}/${String(Date.now())}-${randomUUID()}`;
}

/** The refs that were created longer ago. */
export function expiredIn(refs: readonly string[], keepMs: number): string[] {
  const oldest = Date.now() - keepMs;
  return refs.filter(ref => Number.parseInt(ref.slice(RESULT_REFS.length + 1)) < oldest);
}
