/** Stops the restarts of a thread that keeps dying. */

/** Five deaths tell a passing cause, such as one drone's huge results, from a lasting one. */
const MAX_DEATHS = 5;
/** A start takes about 100 ms of a core, and the cause of death may take memory first: five a minute are affordable. */
const WITHIN_MS = 60_000;

/** The deaths of one slot's threads, by the monotonic clock. */
export class CrashLimit {
  /** The last ones, oldest first. */
  readonly #deathsAtMs: number[] = [];
  #lastCause: unknown;

  note(cause: unknown, nowMs: number): void {
    this.#deathsAtMs.push(nowMs);
    if (this.#deathsAtMs.length > MAX_DEATHS) this.#deathsAtMs.shift();
    this.#lastCause = cause;
  }

  /** Why no thread may start now (`ERR_THREAD_CRASH_LOOP`); undefined when one may. */
  refusal(nowMs: number): Error | undefined {
    const [oldestAtMs = nowMs] = this.#deathsAtMs;
    if (this.#deathsAtMs.length < MAX_DEATHS || nowMs - oldestAtMs >= WITHIN_MS) return undefined;
    const within = `${String(MAX_DEATHS)} worker threads of its slot died within ${String(WITHIN_MS / 1000)} s`;
    const message = `${within}, the last of: ${String(this.#lastCause)}`;
    return Object.assign(new Error(message, { cause: this.#lastCause }), { code: 'ERR_THREAD_CRASH_LOOP' });
  }
}
