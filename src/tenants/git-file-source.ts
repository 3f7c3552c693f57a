/** Reads branches by asking who has their repositories: an executor, by jobs `merger:cat`. */
import { raceAbort } from '../wait/abort.js';
import { Limit } from '../wait/limit.js';
import { func, timeLimit } from '../option/option-kinds.js';
import { readOptions, type Settings, type Table } from '../option/option-table.js';
import type { FileSource } from './file-source.js';
import type { BranchName } from './shared-file-cache.js';

/** Arguments of a job `merger:cat`. */
export interface CatRequest {
  readonly connection: string;
  readonly project: string;
  readonly branch: string;
  /** Files, and folders with a slash at the end. */
  readonly files: readonly string[];
}

/** How such a job is answered: with the executor's `CatReply` as its value, or with why there is none. */
export type CatAnswer =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: { readonly message: string } };

/** Whom it asks, and for how long. */
export interface GitFileSourceOptions {
  /**
   * Has the job done and gives its answer: `request => jobs.submit('merger:cat', request)`. `signal` is aborted when
   * nobody waits for that any more.
   */
  ask: (request: CatRequest, signal: AbortSignal) => Promise<CatAnswer>;
  /** What a tenant's project is called where the executor has its repositories. */
  repositoryOf: (project: string) => Pick<CatRequest, 'connection' | 'project'>;
  /** How long an answer is waited for, from the request on, ms. `Infinity`: for ever. Default 300,000. */
  timeoutMs?: number | undefined;
}

/**
 * Why a branch was not read.
 *
 * - `ERR_CAT_FAILED`: the answer says why, such as git's words; `cause` is the answer.
 * - `ERR_CAT_TIMEOUT`: there was no answer in time.
 * - `ERR_CAT_ANSWER`: the answer is not one to such a job; `cause` is the answer.
 */
export type ReadFilesErrorCode = 'ERR_CAT_FAILED' | 'ERR_CAT_TIMEOUT' | 'ERR_CAT_ANSWER';

/** A branch that was asked for and not read. */
export class ReadFilesError extends Error {
  override readonly name = 'ReadFilesError';
  readonly code: ReadFilesErrorCode;

  /** @internal */
  constructor(code: ReadFilesErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export const CAT_FILE_SOURCE = {
  ask: func<GitFileSourceOptions['ask']>('(request)').required,
  repositoryOf: func<GitFileSourceOptions['repositoryOf']>('(project)').required,
  timeoutMs: timeLimit().or(300_000),
} satisfies Table<GitFileSourceOptions>;

/**
 * Files of git repositories that an executor keeps, which may be in another process. A branch is brought up to date before
 * it is read.
 *
 *     const files = new GitFileSource({
 *       ask: request => jobs.submit('merger:cat', request),
 *       repositoryOf: project => ({ connection: 'git', project }),
 *     });
 */
export class GitFileSource implements FileSource {
  readonly #settings: Settings<typeof CAT_FILE_SOURCE>;

  /** Throws TypeError (`ERR_INVALID_ARG`) that names the option at fault. */
  constructor(options: GitFileSourceOptions) {
    this.#settings = readOptions(CAT_FILE_SOURCE, options);
  }

  /** As FileSource says. Rejects with ReadFilesError, with what `ask` rejects with, and with the reason of `signal`. */
  async files(
    { project, branch }: BranchName,
    paths: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, string | null>> {
    const { connection, project: name } = this.#settings.repositoryOf(project);
    return filesIn(await this.#answered({ connection, project: name, branch, files: [...paths] }, signal));
  }

  /** Does not depend on `ask` for its end: a job in a queue has nobody who would end it. */
  async #answered(request: CatRequest, signal: AbortSignal): Promise<CatAnswer> {
    signal.throwIfAborted();
    const { ask, timeoutMs: limitMs } = this.#settings;
    const reason = new ReadFilesError('ERR_CAT_TIMEOUT', `no answer to merger:cat within ${String(limitMs)} ms`);
    const limit = new Limit([signal], { limitMs, reason });
    try {
      return await raceAbort(limit.signal, ask(request, limit.signal));
    } finally {
      limit.release();
    }
  }
}

/** It may have come over a network: what is not as it should be is no empty branch. */
function filesIn(answer: CatAnswer): ReadonlyMap<string, string | null> {
  const { ok, value, error } = (answer ?? {}) as Record<'ok' | 'value' | 'error', unknown>;
  const { message } = (error ?? {}) as { message?: unknown };
  if (ok === false && typeof message === 'string')
    throw new ReadFilesError('ERR_CAT_FAILED', message, { cause: answer });
  const { updated, files, reason } = (value ?? {}) as Record<'updated' | 'files' | 'reason', unknown>;
  if (ok === true && updated === false && typeof reason === 'string') {
    throw new ReadFilesError('ERR_CAT_FAILED', reason, { cause: answer });
  }
  const isRead = ok === true && updated === true && typeof files === 'object' && files !== null;
  const texts = isRead ? Object.entries(files as Record<string, unknown>) : undefined;
  if (texts?.every((entry): entry is [string, string | null] => entry[1] === null || typeof entry[1] === 'string')) {
    return new Map(texts);
  }
  throw new ReadFilesError('ERR_CAT_ANSWER', 'the answer to merger:cat is not one to such a job', { cause: answer });
}
