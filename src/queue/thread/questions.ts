/** Questions of this thread to the caller's own functions, which live on the main thread. */
import { onAbort } from '../../wait/abort.js';
import { decode, encode } from '../wire/codec/codec.js';
import type { Outbox } from './outbox.js';
import { type Answer, FrameType, type Question } from '../wire/messages.js';

export class Questions {
  readonly #outbox: Outbox;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #last = 0;

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  /** Rejects with what the function throws, or with the signal's reason. */
  ask(question: Question, signal?: AbortSignal): Promise<Answer> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const id = ++this.#last;
      const stopListening = onAbort(signal, reason => {
        this.#waiting.delete(id);
        reject(reason);
      });
      this.#waiting.set(id, answer => {
        stopListening();
        if (answer.thrown) reject(answer.thrown.error);
        else resolve(answer);
      });
      this.#outbox.frame(FrameType.Ask, id, 0, encode(question));
    });
  }

  /** Takes an answer from the main thread; drops one that is no longer awaited. */
  take(id: number, payload: Uint8Array): void {
    const resolve = this.#waiting.get(id);
    this.#waiting.delete(id);
    resolve?.(decode(payload) as Answer);
  }
}
