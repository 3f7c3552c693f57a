/** Reads branches through an executor that has their repositories, by jobs `merger:cat`. */
import { raceAbort } from '../wait/abort.js';
import { Deadline } from '../wait/deadline.js';
import { func, timeLimit } from '../option/option-kinds.js';
import { readOptions, type Settings, type Table } from '../option/option-table.js';
import type { FileSource } from './file-source.js';
import type { BranchName } from './shared-file-cache.js';

/** Arguments of a `merger:cat` job. */
export interface CatRequest {
  readonly connection: string;
  readonly project: string;
  readonly branch: string;
  /** Files, and directories with a slash at the end. */
  readonly files: readonly string[];
}

/** The answer to a `merger:cat` job: the executor's `CatReply` as its value, or an error. */
export type CatAnswer =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: { readonly message: string } };

/** How a GitFileSource reaches the executor. */
export interface GitFileSourceOptions {
  /**
   * Submits the job: `request => jobs.submit('merger:cat', request)`. `signal` aborts when the answer is no longer
   * needed.
   */
  ask: (request: CatRequest, signal: AbortSignal) => Promise<CatAnswer>;
  /** Returns the executor's name for a tenant's project. */
  repositoryOf: (project: string) => Pick<CatRequest, 'connection' | 'project'>;
  /** From the request to the answer, ms. `Infinity` for no limit. Default 300,000. */
  timeoutMs?: number | undefined;
}

/**
 * Why a branch could not be read.
 *
 * - `ERR_CAT_FAILED`: the executor answered with a failure. `cause` is the answer. The tenant keeps its layout.
 * - `ERR_CAT_TIMEOUT`: the executor did not answer within `timeoutMs`. The tenant keeps its layout.
 * - `ERR_CAT_ANSWER`: the answer is not a valid answer to `merger:cat`. `cause` is the answer. Check `ask`.
 */
export type ReadFilesErrorCode = 'ERR_CAT_FAILED' | 'ERR_CAT_TIMEOUT' | 'ERR_CAT_ANSWER';

/** A branch could not be read. */
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
 * Reads files from the git repositories of an executor, which may be in another process. A branch is updated before it
 * is read.
 *
 *     const files = new GitFileSource({
 *       ask: request => jobs.submit('merger:cat', request),
 *       repositoryOf: project => ({ connection: 'git', project }),
 *     });
 */
export class GitFileSource implements FileSource {
  readonly #settings: Settings<typeof CAT_FILE_SOURCE>;

  /** Throws a TypeError (`ERR_INVALID_ARG`) that names the option at fault. */
  constructor(options: GitFileSourceOptions) {
    this.#settings = readOptions(CAT_FILE_SOURCE, options);
  }

  /** As in FileSource. Rejects with a ReadFilesError, with the rejection of `ask`, or with the reason of `signal`. */
  async files(
    { project, branch }: BranchName,
    paths: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, string | null>> {
    const { connection, project: name } = this.#settings.repositoryOf(project);
    return filesIn(await this.#answered({ connection, project: name, branch, files: [...paths] }, signal));
  }

  /** Ends without `ask` too: a job in a queue cannot be ended. */
  async #answered(request: CatRequest, signal: AbortSignal): Promise<CatAnswer> {
    signal.throwIfAborted();
    const { ask, timeoutMs: limitMs } = this.#settings;
    const reason = new ReadFilesError('ERR_CAT_TIMEOUT', `no answer to merger:cat within ${String(limitMs)} ms`);
    const limit = new Deadline([signal], { limitMs, reason });
    try {
      return await raceAbort(limit.signal, ask(request, limit.signal));
    } finally {
      limit.release();
    }
  }
}

/** Checked, as it may have come over a network, and a bad answer must not read as an empty branch. */
function filesIn(answer: CatAnswer): ReadonlyMap<string, string | null> {
  const { ok, value, error } = (answer ?? {}) as Record<'ok' | 'value' | 'error', unknown>;
  const { message } = (error ?? {}) as { message?: unknown };
  if (ok === false && typeof message === 'string')
    throw new ReadFilesError('ERR_CAT_FAILED', message, { cause: answer });
  const { files } = (value ?? {}) as { files?: unknown };
  const isRead = ok === true && typeof files === 'object' && files !== null;
  const texts = isRead ? Object.entries(files as Record<string, unknown>) : undefined;
  if (texts?.every((entry): entry is [string, string | null] => entry[1] === null || typeof entry[1] === 'string')) {
    return new Map(texts);
  }
  throw new ReadFilesError('ERR_CAT_ANSWER', 'the answer to merger:cat is not valid', { cause: answer });
}
