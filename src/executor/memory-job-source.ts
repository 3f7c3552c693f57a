/** Jobs of this process. */
import { randomUUID } from 'node:crypto';
import { onAbort } from '../wait/abort.js';
import { outsideSections } from '../wait/section-guard.js';
import { closedAnswer, type Job, type JobAnswer, type JobLane, type JobSource, laneOf } from './job-source.js';

interface Waiting {
  readonly job: Job;
  readonly answer: (answer: JobAnswer) => void;
}

interface Taker {
  readonly running: number;
  readonly give: (waiting: Waiting) => void;
}

/**
 * A queue in memory, first come first served in each lane. Several executors may share it: of those that wait, the one that
 * does the fewest jobs gets the next one.
 *
 *     const jobs = new MemoryJobSource();
 *     const answer = await jobs.submit('merger:cat', { connection, project, branch: 'main', files: ['README.md'] });
 */
export class MemoryJobSource implements JobSource {
  readonly #lines = new Map<string, Set<Waiting>>();
  readonly #takers = new Map<string, Set<Taker>>();
  #isClosed = false;

  /** How many jobs wait to be taken. */
  get size(): number {
    return [...this.#lines.values()].reduce((sum, line) => sum + line.size, 0);
  }

  /**
   * Resolves with the answer; a job that fails is answered, too. Jobs of the lane `host` are stopped by their `id`, which
   * is a new one by default.
   *
   * Rejects with TypeError (`ERR_INVALID_ARG`) for a name that does not begin with `executor:` or `merger:`.
   */
  async submit(name: string, args: unknown, id: string = randomUUID()): Promise<JobAnswer> {
    return outsideSections(`the job ${name}`, async () => {
      const { lane, host } = laneOf(name);
      if (this.#isClosed) return closedAnswer();
      return new Promise(resolve => {
        const answer = async (given: JobAnswer): Promise<void> => resolve(given);
        this.#enter(lineName(lane, host), { job: { id, name, args, answer }, answer: resolve });
      });
    });
  }

  async take(lane: JobLane, host: string, signal: AbortSignal, running = 0): Promise<Job> {
    signal.throwIfAborted();
    const line = lineName(lane, lane === 'host' ? host : undefined);
    const [first] = this.#lines.get(line) ?? [];
    if (first !== undefined) {
      leave(this.#lines, line, first);
      return first.job;
    }
    return new Promise((resolve, reject) => {
      const give = ({ job }: Waiting): void => {
        stopListening();
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

  /** Jobs that wait, and those to come, are answered with the failure `ERR_EXECUTOR_STOPPED`. */
  close(): void {
    this.#isClosed = true;
    for (const line of this.#lines.values()) for (const { answer } of line) answer(closedAnswer());
    this.#lines.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #enter(line: string, waiting: Waiting): void {
    // Sorting keeps those who do equally many in their turn.
    const [taker] = [...(this.#takers.get(line) ?? [])].sort((one, other) => one.running - other.running);
    if (taker === undefined) return enter(this.#lines, line, waiting);
    leave(this.#takers, line, taker);
    taker.give(waiting);
  }
}

function lineName(lane: JobLane, host: string | undefined): string {
  return host === undefined ? lane : `${lane}:${host}`;
}

function enter<T>(lines: Map<string, Set<T>>, name: string, one: T): void {
  const line = lines.get(name);
  if (line === undefined) lines.set(name, new Set([one]));
  else line.add(one);
}

function leave<T>(lines: Map<string, Set<T>>, name: string, one: T): void {
  const line = lines.get(name);
  line?.delete(one);
  if (line?.size === 0) lines.delete(name);
}
