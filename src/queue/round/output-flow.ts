/**
 * Delivers the output of one running call to the loop over `call.output()` or to `onOutput`, which gets a chunk once it is
 * done with the last one. Consumed bytes are credited to the drone.
 */
import { OUTPUT_LIMITS, ReceiveWindow } from '../wire/credits.js';
import type { QueuedCall } from '../drone/call.js';
import type { OutputChunk } from '../drone/call-output.js';
import { ProtocolError } from '../wire/frames.js';

export interface OutputFlowEvents {
  /** The drone may send this much more of the call's output. */
  credit(call: QueuedCall, bytes: number): void;
  /** The call's `onOutput` threw or rejected. */
  failed(call: QueuedCall, reason: unknown): void;
  /** An `onOutput` is done with everything received. */
  idle(): void;
}

export class OutputFlow {
  readonly #call: QueuedCall;
  readonly #events: OutputFlowEvents;
  readonly #window = new ReceiveWindow(OUTPUT_LIMITS);
  readonly #held: OutputChunk[] = [];
  #isBusy = false;
  #pending: Promise<void> | undefined;
  /** The call has answered: its drone needs no more credit. */
  #isComplete = false;
  #isClosed = false;

  /** `after`: an earlier run of `onOutput`, which has to end before it gets the next chunk. */
  constructor(call: QueuedCall, events: OutputFlowEvents, after?: Promise<void>) {
    this.#call = call;
    this.#events = events;
    if (after === undefined) return;
    this.#isBusy = true;
    void after.then(() => this.#goOn());
  }

  /** The last asynchronous run of `onOutput`; never rejects. */
  get pending(): Promise<void> | undefined {
    return this.#pending;
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Whether `onOutput` still runs. The queue never waits for a reading loop, which may read on after the round. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Takes the payload of an Output frame. Throws a ProtocolError when it makes no sense. */
  take(payload: Uint8Array): void {
    if (this.#isClosed) return;
    const item = { stream: streamOf(payload[0]), chunk: payload.slice(1) };
    // The window does not count empty chunks, so any number of them could pile up here.
    if (item.chunk.byteLength === 0) throw new ProtocolError('output without a byte');
    this.#window.arrived(item.chunk.byteLength);
    const { reader } = this.#call;
    if (reader === undefined) {
      this.#held.push(item);
      if (!this.#isBusy) this.#deliverHeld();
    } else {
      reader.push(item, () => this.#consumed(item));
    }
  }

  complete(): void {
    this.#isComplete = true;
  }

  /** Nothing more is given to `onOutput`. */
  close(): void {
    this.#isClosed = true;
    this.#isBusy = false;
    this.#held.length = 0;
  }

  /** Returns false when it waits for a promise, has failed, or was closed by `onOutput`. */
  #deliverHeld(): boolean {
    for (let item = this.#held.shift(); item !== undefined; item = this.#held.shift()) {
      try {
        const given: unknown = this.#call.options.onOutput?.(item.stream, item.chunk);
        if (isThenable(given)) {
          this.#isBusy = true;
          this.#pending = this.#await(given, item);
          return false;
        }
      } catch (reason) {
        this.#fail(reason);
        return false;
      }
      this.#consumed(item);
    }
    return !this.#isClosed;
  }

  async #await(given: PromiseLike<unknown>, item: OutputChunk): Promise<void> {
    try {
      await given;
    } catch (reason) {
      this.#fail(reason);
      return;
    }
    this.#consumed(item);
    this.#goOn();
  }

  #goOn(): void {
    if (this.#isClosed) return;
    this.#isBusy = false;
    if (this.#deliverHeld()) this.#events.idle();
  }

  /** After the end of its call a failure is ignored: the outcome of the call is known already. */
  #fail(reason: unknown): void {
    if (this.#isClosed) return;
    this.close();
    this.#events.failed(this.#call, reason);
  }

  #consumed(item: OutputChunk): void {
    const credit = this.#window.consumed(item.chunk.byteLength);
    if (credit > 0 && !this.#isComplete && !this.#isClosed) this.#events.credit(this.#call, credit);
  }
}

function streamOf(number: number | undefined): OutputChunk['stream'] {
  if (number === 1) return 'stdout';
  if (number === 2) return 'stderr';
  throw new ProtocolError(`output of stream ${String(number)}`);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}
