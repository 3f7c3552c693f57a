/** Statuses that the master itself sets. */

/** Status of a new host. */
export const READY = 'Ready';
/** Fields of a new entry, and of one that is assigned again. */
export const QUEUED = {
  status: 'Queued',
  active: 0,
  complete: 0,
  aborted: 0,
  started_on: null,
  finished_on: null,
  execution_subdir: '',
} as const;
/** Status of an entry that was aborted before it started. */
export const ABORTED = 'Aborted';
