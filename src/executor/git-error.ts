/** Failures of git, and what their messages mean. */
import { ExecutorError } from './executor-error.js';
import { isOutage } from './outage.js';
import { keyOfRepo, type RepoName, stripCredentials } from './repo-name.js';

/**
 * Why a git command did not succeed.
 *
 * - `ERR_GIT_FAILED`: git exited with a non-zero status, or was killed from outside. `words` contains its output.
 * - `ERR_GIT_TIMEOUT`: git exceeded its time limit and was killed. Raise the limit if the repository needs more time.
 * - `ERR_GIT_OUTPUT`: git wrote more output than allowed and was killed. The message names the command.
 * - `ERR_GIT_NOT_STARTED`: git is not installed, or may not be run (`cause`). Nothing was changed.
 * - `ERR_GIT_STUCK`: git, or an earlier git in this repository, hangs in the kernel and cannot be killed. Other
 *   repositories are not affected. Check the disk or the file server.
 */
export type GitErrorCode =
  'ERR_GIT_FAILED' | 'ERR_GIT_TIMEOUT' | 'ERR_GIT_OUTPUT' | 'ERR_GIT_NOT_STARTED' | 'ERR_GIT_STUCK';

/** A git command failed. The error's texts contain no passwords from URLs. */
export class GitError extends Error {
  override readonly name = 'GitError';
  readonly code: GitErrorCode;
  /** The name of the command: `fetch`, `merge`. */
  readonly command: string;
  /** The last 4,000 characters of git's output, stderr first. */
  readonly words: string;
  /** Null if a signal ended git, or it was not started. */
  readonly exitCode: number | null;
  /** The repository in the cache on which the command worked. */
  readonly repository: RepoName | undefined;

  /** @internal */
  constructor(code: GitErrorCode, command: string, what: string, written: string, options: GitErrorOptions = {}) {
    const words = lastLines(stripCredentials(written).trim());
    const { exitCode = null, repository } = options;
    const where = repository === undefined ? '' : ` (${keyOfRepo(repository)})`;
    super(`git ${command} ${what}${where}${words === '' ? '' : `: ${words}`}`, options);
    this.code = code;
    this.exitCode = exitCode;
    this.repository = repository;
    this.command = command;
    this.words = words;
  }
}

interface GitErrorOptions extends ErrorOptions {
  readonly exitCode?: number | null;
  readonly repository?: RepoName | undefined;
}

const MAX_WORDS = 4000;

/** Whole lines: a part of one could match another pattern. */
function lastLines(written: string): string {
  const kept = written.slice(-MAX_WORDS);
  return kept.length === written.length ? kept : kept.slice(kept.indexOf('\n') + 1);
}

/** Commands that talk to servers. Others print the names of files, which authors choose. */
const REMOTE = new Set(['fetch', 'ls-remote', 'clone', 'submodule', 'lfs']);

/** Messages about a repository in which something is missing or damaged. */
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
    'packed-refs',
    'reference broken',
    'bad shallow',
    'multi-pack-index',
    'commit.graph',
    'pack index|index v\\d|non-monotonic index',
    'could not parse object',
    'unable to (resolve|find) (reference|[0-9a-f]{40})',
    'refusing to fetch into (current )?branch',
    'unknown repository extension|repository (format|version)',
    'insufficient permission for adding an object',
    // Where a branch is in the way of another, and pruning did not help.
    'cannot lock ref',
  ].join('|'),
  'i',
);

/** Messages of a server, or of git about one. */
const NO_REPOSITORY = new RegExp(
  [
    "repository '[^']*' not found",
    'does not appear to be a git repository',
    'repository not exported',
    '^ERROR: .*(not found|could not be found)',
  ].join('|'),
  'im',
);
const NO_REF = new RegExp(
  ["couldn't find remote ref", 'not our ref', 'does not allow request for unadvertised object'].join('|'),
  'i',
);

/** A new clone would not help. */
const NO_ROOM =
  /no space left|quota exceeded|cannot allocate memory|out of memory|too many open|read-only file system/i;
const LOCKED = /\.lock'?: File exists/i;
const BAD_INDEX = /index file (corrupt|smaller)|bad index|bad signature|index uses .* extension/i;

/** Messages about this machine, which may soon have room again, or be repaired. */
const EXHAUSTED = new RegExp(
  [
    'no space left on device|disk quota exceeded|cannot allocate memory|out of memory|too many open files',
    'input/output error|structure needs cleaning|read-only file system|stale (nfs )?file handle',
    'transport endpoint is not connected',
  ].join('|'),
  'i',
);

/** The lines of git itself: an author chooses subjects and paths, a server its messages. A conflict has none. */
function ownLines({ words }: GitError): string[] {
  if (/^CONFLICT \(/m.test(words)) return [];
  return words.split('\n').filter(line => !/^remote: |^\t|could not apply/.test(line));
}

function findings(error: GitError): string {
  return ownLines(error)
    .filter(line => /^(fatal|error): /.test(line))
    .join('\n');
}

/** Whether the same command may succeed a little later, because a server was not reached or did not answer. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof GitError) || error.code !== 'ERR_GIT_FAILED' || !REMOTE.has(error.command)) return false;
  return isOutage(ownLines(error));
}

/** An ExecutorError for a failure that shows that the server lacks the repository or the ref; otherwise the error itself. */
export function nameAbsence(error: unknown): unknown {
  if (!(error instanceof GitError) || error.code !== 'ERR_GIT_FAILED') return error;
  const { message, repository } = error;
  const options = { cause: error, repository };
  if (error.words.includes('dubious ownership')) {
    const advice = 'another user owns it: name its git directory in the option git.safeDirectories of the cache';
    return new ExecutorError('ERR_NO_REPOSITORY', `${message}\n${advice}`, options);
  }
  if (NO_REF.test(error.words)) return new ExecutorError('ERR_NO_REF', message, options);
  if (NO_REPOSITORY.test(error.words)) return new ExecutorError('ERR_NO_REPOSITORY', message, options);
  return error;
}

/** Whether the failure says nothing about the work: it may succeed later, or on another machine. */
export function mayPass(error: unknown): boolean {
  if (error instanceof ExecutorError) return error.mayPass;
  if (!(error instanceof GitError)) return false;
  if (error.code === 'ERR_GIT_TIMEOUT' || error.code === 'ERR_GIT_STUCK') return true;
  if (error.code === 'ERR_GIT_NOT_STARTED') return isShortage(error.cause);
  if (error.code !== 'ERR_GIT_FAILED') return false;
  if (error.exitCode === null || isTransient(error) || cureFor(error) !== undefined) return true;
  return EXHAUSTED.test(ownLines(error).join('\n'));
}

/** Whether damage of the copy may be the cause, because no other cause is known. */
export function isUnexplained(error: unknown): error is GitError {
  if (!(error instanceof GitError) || error.code !== 'ERR_GIT_FAILED') return false;
  return ownLines(error).length > 0 && !mayPass(error);
}

/** Too few processes, too little memory or too few open files. */
function isShortage(cause: unknown): boolean {
  const { code } = (cause ?? {}) as { code?: unknown };
  return typeof code === 'string' && ['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE'].includes(code);
}

/** What would repair a repository that no other command uses, if anything would. */
export function cureFor(error: unknown): 'unlock' | 'rebuild' | undefined {
  if (!(error instanceof GitError) || error.code !== 'ERR_GIT_FAILED') return undefined;
  const found = findings(error);
  if (LOCKED.test(found) || BAD_INDEX.test(found)) return 'unlock';
  return BROKEN.test(found) && !NO_ROOM.test(found) ? 'rebuild' : undefined;
}
