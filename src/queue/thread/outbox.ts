/** Frames on their way to the other thread, sent as one moved buffer per turn of the event loop. */
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

  /** As `frame`, for what nobody waits for: it leaves with the next frame that somebody does, or by itself soon. */
  lazily(type: number, batch: number, index: number, payload?: Uint8Array): void {
    this.#writer.frame(type, batch, index, payload);
    if (!this.#scheduled) this.#lazy ??= setTimeout(this.#flushLazy, LAZY_MS);
  }

  /** Copies a frame that is whole already. */
  whole(frame: Uint8Array): void {
    this.#writer.bytes(frame);
    this.#schedule();
  }

  /** Sends what is held now, for what must be known on the other side before the next thing happens on this one. */
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
