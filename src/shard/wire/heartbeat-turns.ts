/**
 * One heartbeat at a time for each shard. A turn lasts from the token's check until the connection is done and the work has
 * ended: retries of a shard that gave up must not add to the load of a slow master.
 */
import type { ServerResponse } from 'node:http';
import { Refusal } from './refusal.js';

export class HeartbeatTurns {
  readonly #turns = new Map<string, Turn>();

  /**
   * Undefined while the last turn is at work. A turn that waits for its packet, or for its reply to be read, is cut off: the
   * shard has given it up, or lost its power.
   */
  take(name: string, response: ServerResponse): Turn | undefined {
    const last = this.#turns.get(name);
    if (last?.isAtWork === true) return undefined;
    last?.cutOff(response);
    const turn = new Turn(response, () => {
      if (this.#turns.get(name) === turn) this.#turns.delete(name);
    });
    this.#turns.set(name, turn);
    return turn;
  }
}

export class Turn {
  readonly #response: ServerResponse;
  readonly #onEnd: () => void;
  #isOpen = true;
  #works = 0;

  constructor(response: ServerResponse, onEnd: () => void) {
    this.#response = response;
    this.#onEnd = onEnd;
    response.once('close', () => this.#close());
  }

  get isAtWork(): boolean {
    return this.#works > 0;
  }

  /** Rejects with a Refusal when the connection is gone. */
  async work<T>(fn: () => Promise<T>): Promise<T> {
    if (!this.#isOpen || this.#response.closed) {
      this.#close();
      throw new Refusal(400, 'ERR_REQUEST', 'its connection closed before the packet was complete');
    }
    this.#works += 1;
    try {
      return await fn();
    } finally {
      this.#works -= 1;
      this.#endIfDone();
    }
  }

  /** Ends the connection, unless `next` comes over the same one: then this reply was sent or goes first. */
  cutOff(next: ServerResponse): void {
    if (this.#response.socket !== next.socket) this.#response.destroy();
    this.#close();
  }

  #close(): void {
    this.#isOpen = false;
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (!this.#isOpen && this.#works === 0) this.#onEnd();
  }
}
