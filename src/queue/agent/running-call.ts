import type { Output } from '../wire/messages.js';

/** A running call. Its AbortSignal is made on first use: most calls never need one. */
export class RunningCall {
  /** See CallContext.prints. */
  readPrinted: (() => Output) | undefined;
  #controller: AbortController | undefined;
  #isCancelled = false;

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isCancelled) this.#controller.abort();
    return this.#controller.signal;
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#controller?.abort();
  }
}
