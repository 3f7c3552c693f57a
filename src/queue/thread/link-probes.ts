/** Probes of the main thread that await a sign of life from the link's agent. */
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
    this.#answer(FrameType.Pong);
  }

  fail(report: DownReport): void {
    this.#answer(FrameType.Down, encode(report));
  }

  #answer(type: FrameType, payload?: Uint8Array): void {
    for (const id of this.#waiting) this.#outbox.frame(type, id, 0, payload);
    this.#waiting.clear();
  }
}
