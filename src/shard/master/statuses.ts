/** Statuses that the master itself sets. */

/** Of a new host. */
export const READY = 'Ready';
/** What a new entry has, and one that is assigned again. */
export const QUEUED = {
  status: 'Queued',
  active: 0,
  complete: 0,
  aborted: 0,
  started_on: null,
  finished_on: null,
  execution_subdir: '',
} as const;
/** Of an entry aborted before it started. */
export const ABORTED = 'Aborted';
