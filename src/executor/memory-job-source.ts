import { onAbort } from '../wait/abort.js';
import { type Clock, clockOption, type Timer } from '../wait/clock.js';
import { readOptions, type Table } from '../option/option-table.js';
import { outsideSections } from '../wait/section-guard.js';
import type { JobAnswer } from './job-answer.js';
import { closedAnswer, HOST_MS, type Job, type JobLane, type JobSource, laneOf, noExecutor } from './job-source.js';
import type { JobName, Jobs } from './jobs.js';
import { givenUp, limitOf, readSubmitOptions, type SubmitOptions, tell, withdrawn } from './submit-options.js';

/** Options of a queue in memory. */
export interface MemoryJobSourceOptions {
  /** Default: the system's. */
  clock?: Clock | undefined;
}

export const MEMORY_JOB_SOURCE = { clock: clockOption() } satisfies Table<MemoryJobSourceOptions>;

interface Waiting {
  readonly job: Job;
  readonly answer: (answer: JobAnswer) => void;
  readonly onTaken: ((host: string) => void) | undefined;
}

interface Taker {
  readonly running: number;
  readonly give: (waiting: Waiting) => void;
}

/**
 * A queue in memory, first come first served in each lane. Executors may share it: the one with the fewest running jobs
 * gets the next job.
 *
 *     const jobs = new MemoryJobSource();
 *     const answer = await jobs.submit('merger:cat', { connection, project, branch: 'main', files: ['README.md'] });
 */
export class MemoryJobSource implements JobSource {
  readonly #lines = new Map<string, Set<Waiting>>();
  readonly #takers = new Map<string, Set<Taker>>();
  readonly #clock: Clock;
  #isClosed = false;

  /** Throws a TypeError (`ERR_INVALID_ARG`) that names the option at fault. */
  constructor(options: MemoryJobSourceOptions = {}) {
    this.#clock = readOptions(MEMORY_JOB_SOURCE, options).clock;
  }

  /** How many jobs wait to be taken. */
  get size(): number {
    return [...this.#lines.values()].reduce((sum, line) => sum + line.size, 0);
  }

  /**
   * Resolves with the answer; failures are answers, too (`ok: false`). `Jobs` gives the types of `args` and `value` for
   * each name. A job for one host that no executor takes within 5 s is answered with `ERR_NO_EXECUTOR`. `options`: a
   * string is the `id`.
   *
   * Rejects with a TypeError (`ERR_INVALID_ARG`) for a name that does not begin with `executor:` or `merger:`, and for
   * an invalid option, which the message names.
   */
  async submit<Name extends JobName>(
    name: Name,
    args: Jobs[Name]['args'],
    options?: string | SubmitOptions,
  ): Promise<JobAnswer<Jobs[Name]['value']>> {
    return outsideSections(`the job ${name}`, async () => {
      const { lane, host } = laneOf(name);
      const submission = readSubmitOptions(options);
      if (this.#isClosed) return closedAnswer();
      const line = lineName(lane, host);
      const limit = limitOf(submission, this.#clock);
      if (limit.isOver) return withdrawn(limit.signal.reason);
      const stop = new AbortController();
      const { id, onTaken } = submission;
      let timer: Timer | undefined;
      return new Promise<JobAnswer>(resolve => {
        const answer = async (given: JobAnswer): Promise<void> => resolve(given);
        const waiting: Waiting = { job: { id, name, args, answer, signal: stop.signal }, answer: resolve, onTaken };
        this.#enter(line, waiting);
        onAbort(limit.signal, reason => {
          if (leave(this.#lines, line, waiting)) resolve(withdrawn(reason));
          else stop.abort(givenUp(reason));
        });
        timer =
          host === undefined
            ? undefined
            : this.#clock.setTimer(HOST_MS, () => {
                if (leave(this.#lines, line, waiting)) resolve(noExecutor(host));
              });
      }).finally(() => {
        limit.release();
        timer?.cancel();
      }) as Promise<JobAnswer<Jobs[Name]['value']>>;
    });
  }

  /** Removes waiting jobs with this id and answers them with `ERR_JOB_WITHDRAWN`. Returns whether there were any. */
  async withdraw(id: string): Promise<boolean> {
    const all = LANES.flatMap(line => [...(this.#lines.get(line) ?? [])].map(waiting => ({ line, waiting })));
    const found = all.filter(({ waiting }) => waiting.job.id === id);
    for (const { line, waiting } of found) {
      leave(this.#lines, line, waiting);
      waiting.answer(withdrawn('by its id'));
    }
    return found.length > 0;
  }

  async take(lane: JobLane, host: string, signal: AbortSignal, running = 0): Promise<Job> {
    signal.throwIfAborted();
    const line = lineName(lane, lane === 'host' ? host : undefined);
    const [first] = this.#lines.get(line) ?? [];
    if (first !== undefined) {
      leave(this.#lines, line, first);
      tell(first.onTaken, host);
      return first.job;
    }
    return new Promise((resolve, reject) => {
      const give = ({ job, onTaken }: Waiting): void => {
        stopListening();
        tell(onTaken, host);
        resolve(job);
      };
      const taker: Taker = { running, give };
      const stopListening = onAbort(signal, reason => {
        leave(this.#takers, line, taker);
        reject(reason);
      });
      enter(this.#takers, line, taker);
    });
  }

  /** Answers waiting and later jobs with the failure `ERR_EXECUTOR_STOPPED`. */
  close(): void {
    this.#isClosed = true;
    for (const line of this.#lines.values()) for (const { answer } of line) answer(closedAnswer());
    this.#lines.clear();
  }

  /** `close()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #enter(line: string, waiting: Waiting): void {
    // A stable sort keeps the turn of takers with equally many jobs.
    const [taker] = [...(this.#takers.get(line) ?? [])].sort((one, other) => one.running - other.running);
    if (taker === undefined) return enter(this.#lines, line, waiting);
    leave(this.#takers, line, taker);
    taker.give(waiting);
  }
}

/** The lanes of jobs for any executor. */
const LANES = ['execute', 'merger'] as const satisfies JobLane[];

function lineName(lane: JobLane, host: string | undefined): string {
  return host === undefined ? lane : `${lane}:${host}`;
}

function enter<T>(lines: Map<string, Set<T>>, name: string, one: T): void {
  const line = lines.get(name);
  if (line === undefined) lines.set(name, new Set([one]));
  else line.add(one);
}

/** Returns whether it was there. */
function leave<T>(lines: Map<string, Set<T>>, name: string, one: T): boolean {
  const line = lines.get(name);
  const wasThere = line?.delete(one) ?? false;
  if (line?.size === 0) lines.delete(name);
  return wasThere;
}
