/** What git said when it failed, and what follows from that. */
import { stripCredentials } from './repo-name.js';

/**
 * - `ERR_GIT_FAILED`: git exited with something else than 0, or was killed by others.
 * - `ERR_GIT_TIMEOUT`: it ran into its time limit and was ended.
 * - `ERR_GIT_OUTPUT`: it wrote more than is kept and was ended.
 * - `ERR_GIT_NOT_STARTED`: there is no such program, or it may not be run.
 * - `ERR_GIT_STUCK`: it could not be ended, as it hangs in the kernel, and was left behind; or one was before, which is still
 *   there, and so nothing is done in its repository.
 */
export type GitErrorCode =
  'ERR_GIT_FAILED' | 'ERR_GIT_TIMEOUT' | 'ERR_GIT_OUTPUT' | 'ERR_GIT_NOT_STARTED' | 'ERR_GIT_STUCK';

/** A git command that failed. Passwords in URLs are left out of its texts. */
export class GitError extends Error {
  override readonly name = 'GitError';
  readonly code: GitErrorCode;
  /** The first word of the command: `fetch`, `merge`. */
  readonly command: string;
  /** What git wrote, stderr first; its last 4,000 characters. */
  readonly words: string;
  /** Null when it was ended by a signal, or not started. */
  readonly exitCode: number | null;

  /** @internal */
  constructor(code: GitErrorCode, command: string, what: string, written: string, options: GitErrorOptions = {}) {
    const words = lastLines(stripCredentials(written).trim());
    super(`git ${command} ${what}${words === '' ? '' : `: ${words}`}`, options);
    this.code = code;
    this.exitCode = options.exitCode ?? null;
    this.command = command;
    this.words = words;
  }
}

interface GitErrorOptions extends ErrorOptions {
  readonly exitCode?: number | null;
}

const MAX_WORDS = 4000;

/** Whole ones: a part of a line could look like another. */
function lastLines(written: string): string {
  const kept = written.slice(-MAX_WORDS);
  return kept.length === written.length ? kept : kept.slice(kept.indexOf('\n') + 1);
}

/** Of a network or a server that may be better soon. */
const TRANSIENT = new RegExp(
  [
    'could not resolve host(?!name)',
    'temporary failure in name resolution',
    'connection (refused|reset|timed out|closed|was reset)',
    'operation timed out',
    'network is unreachable',
    'no route to host',
    'early eof',
    'unexpected disconnect',
    'remote end hung up',
    'rpc failed',
    'returned error: (429|5\\d\\d)',
    'kex_exchange_identification',
    'ssh_exchange_identification',
    'empty reply from server',
  ].join('|'),
  'i',
);

/** Of a repository in which something is missing or damaged. */
const BROKEN = new RegExp(
  [
    'not a git repository',
    'object .* is (corrupt|empty)',
    'object file .* is empty',
    'loose object',
    'inflate:',
    'unable to (read|parse|unpack) (sha1|tree|blob|commit|object|[0-9a-f]{40})',
    'could not (read|parse) [0-9a-f]{40}',
    'bad object',
    'missing (blob|tree|commit|object)',
    'did not send all necessary objects',
    'packfile .* (cannot be|does not match|is )',
    'invalid sha1 pointer',
    'bad (config|pack|tree|signature 0x)',
    'broken (ref|link)',
    'invalid object',
    // Where a branch is in the way of another, and pruning did not help.
    'cannot lock ref',
  ].join('|'),
  'i',
);

const LOCKED = /\.lock'?: File exists/i;
const BAD_INDEX = /index file (corrupt|smaller)|bad index|bad signature|index uses .* extension/i;

/** Of this machine, which may have room again soon. */
const EXHAUSTED =
  /no space left on device|disk quota exceeded|cannot allocate memory|out of memory|too many open files/i;

/**
 * Whoever proposes a change chooses its subjects and paths, and a server what it says of itself: none of these may pass for
 * git's own findings. In a conflict there are none.
 */
function ownLines({ words }: GitError): string[] {
  if (/^CONFLICT \(/m.test(words)) return [];
  return words.split('\n').filter(line => !/^remote: |^\t|could not apply/.test(line));
}

function findings(error: GitError): string {
  return ownLines(error)
    .filter(line => /^(fatal|error): /.test(line))
    .join('\n');
}

/** Whether the same command may do at once, or a little later. */
export function isTransient(error: unknown): boolean {
  return error instanceof GitError && error.code === 'ERR_GIT_FAILED' && TRANSIENT.test(ownLines(error).join('\n'));
}

/** Whether it says nothing of what git was to do: it may go well another time, or on another machine. */
export function mayPass(error: unknown): boolean {
  if (!(error instanceof GitError)) return false;
  if (error.code === 'ERR_GIT_TIMEOUT' || error.code === 'ERR_GIT_STUCK') return true;
  if (error.code === 'ERR_GIT_NOT_STARTED') return isShortage(error.cause);
  if (error.code !== 'ERR_GIT_FAILED') return false;
  return error.exitCode === null || isTransient(error) || EXHAUSTED.test(ownLines(error).join('\n'));
}

/** Of processes, memory or open files. */
function isShortage(cause: unknown): boolean {
  const { code } = (cause ?? {}) as { code?: unknown };
  return typeof code === 'string' && ['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE'].includes(code);
}

/** What would help a repository of which nobody else makes use, if anything would. */
export function cureFor(error: unknown): 'unlock' | 'rebuild' | undefined {
  if (!(error instanceof GitError) || error.code !== 'ERR_GIT_FAILED') return undefined;
  const found = findings(error);
  if (LOCKED.test(found) || BAD_INDEX.test(found)) return 'unlock';
  return BROKEN.test(found) ? 'rebuild' : undefined;
}
