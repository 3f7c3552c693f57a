/**
 * One heartbeat at a time for each shard: it has a turn from its token on until its connection is done with it and the work
 * it has caused has ended. A shard that has given a heartbeat up, and comes again while the master is still at work on it,
 * has to wait: a slow master would get the more to do the slower it is.
 */
import type { ServerResponse } from 'node:http';
import { Refusal } from './refusal.js';

export class HeartbeatTurns {
  readonly #turns = new Map<string, Turn>();

  /**
   * Undefined while there is work of the name's last turn. One that waits for its packet, or for its reply to be read, is cut
   * off: who comes again has given it up, and from a peer that lost its power nothing more would come.
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

  /** Rejects with a Refusal, which nobody will read, when the connection is gone already. */
  async work<T>(fn: () => Promise<T>): Promise<T> {
    if (!this.#isOpen || this.#response.closed) {
      this.#close();
      throw new Refusal(400, 'ERR_REQUEST', 'its connection was gone before there was a whole packet');
    }
    this.#works += 1;
    try {
      return await fn();
    } finally {
      this.#works -= 1;
      this.#endIfDone();
    }
  }

  /** For `next`. One that comes over the same connection has had its reply, or will have it first. */
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
