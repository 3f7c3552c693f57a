/** What `refresh` reads of pidfiles, with an agent and without one. */

/** Above any pidfile's size. One byte more is read of a longer file, so that it is recognised. */
export const MAX_PIDFILE_BYTES = 4096;

/** Codes of a file that is not there. */
export const MISSING: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR']);
