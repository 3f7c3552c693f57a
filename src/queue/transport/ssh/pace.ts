/**
 * How fast one server gets new connections.
 *
 * An sshd drops connections while too many are not logged in yet (`MaxStartups`) by just closing them. So only some are
 * opened at once, and half as many after a drop: additive increase, multiplicative decrease, as TCP shares a line (Chiu
 * and Jain, 1989). A dropped one is tried again after a random wait that doubles ("equal jitter" of the AWS
 * architecture blog's "Exponential Backoff And Jitter").
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Semaphore } from '../../../wait/semaphore.js';
import type { Pause } from '../transport.js';

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 2000;

const paces = new Map<string, Pace>();

/** One connection's place among the unfinished logins. */
export interface PacePlace {
  leave(): void;
  /** The server dropped the connection before it had shown its host key. */
  dropped(): void;
}

export class Pace {
  readonly #key: string;
  readonly #most: number;
  readonly #line: Semaphore;
  #limit: number;
  #opened = 0;
  #changes = 0;

  private constructor(key: string, most: number) {
    this.#key = key;
    this.#most = most;
    this.#limit = most;
    this.#line = new Semaphore(most);
  }

  static of(address: string, most: number): Pace {
    // Queues without threads share this map, and may differ in it.
    const key = `${String(most)} ${address}`;
    let pace = paces.get(key);
    if (pace === undefined) {
      pace = new Pace(key, most);
      paces.set(key, pace);
    }
    return pace;
  }

  /** Waits for a place, pausing when there is none yet. Rejects with the reason of `signal`. */
  async enter(signal: AbortSignal, pause: Pause): Promise<PacePlace> {
    let leave = (): void => undefined;
    const enter = async (): Promise<void> => {
      leave = await this.#line.enter(signal);
    };
    try {
      await (this.#line.inside < this.#limit ? enter() : pause(enter));
    } catch (error) {
      leave();
      throw error;
    }
    const enteredAt = this.#changes;
    return {
      leave: () => {
        leave();
        this.#forget();
      },
      // Only the first of several dropped together counts.
      dropped: () => {
        if (enteredAt === this.#changes) this.#lower();
      },
    };
  }

  opened(): void {
    if (this.#limit === this.#most || ++this.#opened < this.#limit) return;
    this.#resize(this.#limit + 1);
  }

  #lower(): void {
    this.#changes++;
    this.#resize(Math.max(1, Math.floor(Math.min(this.#limit, this.#line.inside) / 2)));
  }

  /** Waits after the `attempt`th drop; when `held`, keeps the process alive meanwhile. */
  async backOff(attempt: number, held: boolean, signal: AbortSignal): Promise<void> {
    const longestMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1));
    await delay(longestMs * (0.5 + Math.random() / 2), undefined, { ref: held, signal }).catch(() => {
      throw signal.reason;
    });
  }

  #resize(limit: number): void {
    this.#limit = limit;
    this.#opened = 0;
    this.#line.resize(limit);
  }

  #forget(): void {
    if (this.#line.isEmpty && this.#limit === this.#most) paces.delete(this.#key);
  }
}
