/** A call's output, live, for a reading loop. */
import { outsideSections } from '../../wait/section-guard.js';

/** A piece of a running command's output. */
export interface OutputChunk {
  readonly stream: 'stdout' | 'stderr';
  /** Belongs to the receiver. May end within a multi-byte character: see TextDecoderStream. */
  readonly chunk: Uint8Array;
}

interface Held {
  readonly item: OutputChunk;
  readonly consumed: () => void;
}

/**
 * Open until the call is over; chunks received by then are still delivered. A chunk is consumed when the reader asks for the
 * next one, and all are when the reader leaves.
 */
export class CallOutput implements AsyncIterableIterator<OutputChunk, undefined> {
  readonly #held: Held[] = [];
  /** The callback of the last delivered chunk. */
  #consumed: (() => void) | undefined;
  #waiting: ((result: IteratorResult<OutputChunk, undefined>) => void)[] = [];
  #isOpen = true;
  #hasReader = true;

  /** `consumed` is called once. */
  push(item: OutputChunk, consumed: () => void): void {
    if (!this.#hasReader) {
      consumed();
      return;
    }
    const waiting = this.#waiting.shift();
    if (waiting === undefined) {
      this.#held.push({ item, consumed });
    } else {
      // The reader has asked for several at once.
      this.#consumed?.();
      this.#consumed = consumed;
      waiting({ done: false, value: item });
    }
  }

  end(): void {
    this.#isOpen = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<OutputChunk, undefined>> {
    this.#consumed?.();
    this.#consumed = undefined;
    const next = this.#held.shift();
    if (next !== undefined) {
      this.#consumed = next.consumed;
      return Promise.resolve({ done: false, value: next.item });
    }
    if (!this.#isOpen) return Promise.resolve({ done: true, value: undefined });
    const waited = outsideSections(
      "a call's output",
      () => new Promise<IteratorResult<OutputChunk, undefined>>(resolve => this.#waiting.push(resolve)),
    );
    // A loop that ends by a rejection does not call return(), and the command would wait for it.
    waited.catch(() => this.return());
    return waited;
  }

  /** The reader leaves. */
  return(): Promise<IteratorResult<OutputChunk, undefined>> {
    this.#hasReader = false;
    this.end();
    this.#consumed?.();
    this.#consumed = undefined;
    for (const { consumed } of this.#held.splice(0)) consumed();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
