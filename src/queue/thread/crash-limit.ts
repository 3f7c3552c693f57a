/** Keeps threads that die again and again from being started without end. */

/** Five tries tell what passes, such as one drone's huge results, from what does not. */
const MAX_DEATHS = 5;
/** A start takes some 100 ms of a core, and what killed the thread may take memory first: five a minute can be borne. */
const WITHIN_MS = 60_000;

/** The deaths of one slot's threads. Times are of the monotonic clock. */
export class CrashLimit {
  /** The last of them, the oldest first. */
  readonly #deathsAtMs: number[] = [];
  #lastCause: unknown;

  /** A thread has died. */
  note(cause: unknown, nowMs: number): void {
    this.#deathsAtMs.push(nowMs);
    if (this.#deathsAtMs.length > MAX_DEATHS) this.#deathsAtMs.shift();
    this.#lastCause = cause;
  }

  /** Why no thread may be started now (`ERR_THREAD_CRASH_LOOP`); undefined when one may. */
  refusal(nowMs: number): Error | undefined {
    const [oldestAtMs = nowMs] = this.#deathsAtMs;
    if (this.#deathsAtMs.length < MAX_DEATHS || nowMs - oldestAtMs >= WITHIN_MS) return undefined;
    const within = `${String(MAX_DEATHS)} worker threads of its slot died within ${String(WITHIN_MS / 1000)} s`;
    const message = `${within}, the last of: ${String(this.#lastCause)}`;
    return Object.assign(new Error(message, { cause: this.#lastCause }), { code: 'ERR_THREAD_CRASH_LOOP' });
  }
}
