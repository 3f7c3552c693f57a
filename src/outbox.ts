/** Frames on their way to the other thread, sent as one moved buffer per turn of the event loop. */
import { FrameWriter } from './frames.js';

export class Outbox {
  readonly #post: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly #writer = new FrameWriter();
  #scheduled = false;

  /** `post` gets whole frames in a buffer that it may move. */
  constructor(post: (bytes: Uint8Array<ArrayBuffer>) => void) {
    this.#post = post;
  }

  /** Copies the payload, so that a view into a read buffer will do. */
  frame(type: number, batch: number, index: number, payload?: Uint8Array): void {
    this.#writer.frame(type, batch, index, payload);
    this.#schedule();
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

  readonly #flushScheduled = (): void => {
    this.#scheduled = false;
    this.flush();
  };
}
