/** Frames for the other thread, sent as one moved buffer per turn of the event loop. */
import { FrameWriter } from '../wire/frames.js';

/** A message to another thread costs as much as ten frames in it. */
const LAZY_MS = 10;

export class Outbox {
  readonly #post: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly #writer = new FrameWriter();
  #scheduled = false;
  #lazy: NodeJS.Timeout | undefined;

  /** `post` gets whole frames in a buffer that it may move. */
  constructor(post: (bytes: Uint8Array<ArrayBuffer>) => void) {
    this.#post = post;
  }

  /** Copies the payload, so that a view into a read buffer will do. */
  frame(type: number, batch: number, index: number, payload?: Uint8Array): void {
    this.#writer.frame(type, batch, index, payload);
    this.#schedule();
  }

  /** As `frame`, but not urgent: leaves with the next urgent frame, or within LAZY_MS. */
  lazily(type: number, batch: number, index: number, payload?: Uint8Array): void {
    this.#writer.frame(type, batch, index, payload);
    if (!this.#scheduled) this.#lazy ??= setTimeout(this.#flushLazy, LAZY_MS);
  }

  /** Copies an encoded frame. */
  whole(frame: Uint8Array): void {
    this.#writer.bytes(frame);
    this.#schedule();
  }

  /** Sends all frames now, before the next step on this side. */
  flush(): void {
    if (!this.#writer.empty) this.#post(this.#writer.take());
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#flushScheduled);
  }

  readonly #flushLazy = (): void => {
    this.#lazy = undefined;
    this.flush();
  };

  readonly #flushScheduled = (): void => {
    this.#scheduled = false;
    this.flush();
  };
}
