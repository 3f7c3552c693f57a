/** Probes of the main thread that wait in a link for a sign of life from its agent. */
import { encode } from '../wire/codec/codec.js';
import type { Outbox } from './outbox.js';
import { type DownReport, FrameType } from '../wire/messages.js';

export class LinkProbes {
  readonly #outbox: Outbox;
  readonly #waiting = new Set<number>();

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  get areWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  add(id: number): void {
    this.#waiting.add(id);
  }

  /** The agent has answered a ping. */
  succeed(): void {
    for (const id of this.#waiting) this.#outbox.frame(FrameType.Pong, id, 0);
    this.#waiting.clear();
  }

  /** The link has ended. */
  fail(report: DownReport): void {
    for (const id of this.#waiting) this.#outbox.frame(FrameType.Down, id, 0, encode(report));
    this.#waiting.clear();
  }
}
