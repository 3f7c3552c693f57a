/**
 * The output of one running call, on its way to whoever asked for it: the reading loop of `call.output()`, or the function
 * `onOutput`, which gets the next chunk when it is done with the last. What was consumed is credited to the drone.
 */
import { OUTPUT_LIMITS, ReceiveWindow } from '../wire/credits.js';
import type { QueuedCall } from '../drone/call.js';
import type { OutputChunk } from '../drone/call-output.js';
import { ProtocolError } from '../wire/frames.js';

export interface OutputFlowEvents {
  /** The drone may send so much more. */
  credit(bytes: number): void;
  /** `onOutput` threw or rejected. */
  failed(reason: unknown): void;
  /** `onOutput` is done with all that has come. */
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

  /** `after` is what `onOutput` is still at: it gets nothing before that has ended. */
  constructor(call: QueuedCall, events: OutputFlowEvents, after?: Promise<void>) {
    this.#call = call;
    this.#events = events;
    if (after === undefined) return;
    this.#isBusy = true;
    void after.then(() => {
      this.#goOn();
    });
  }

  /** What `onOutput` is at, or was last; never rejects. */
  get pending(): Promise<void> | undefined {
    return this.#pending;
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Whether `onOutput` is not done yet. A reading loop is never waited for: it may read on after the round. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Takes the payload of an Output frame. Throws ProtocolError when it makes no sense. */
  take(payload: Uint8Array): void {
    if (this.#isClosed) return;
    const item = { stream: streamOf(payload[0]), chunk: payload.slice(1) };
    // Not counted by the window, any number of them could pile up here.
    if (item.chunk.byteLength === 0) throw new ProtocolError('output without a byte');
    this.#window.arrived(item.chunk.byteLength);
    const { reader } = this.#call;
    if (reader === undefined) {
      this.#held.push(item);
      if (!this.#isBusy) this.#deliverHeld();
    } else {
      reader.push(item, () => {
        this.#consumed(item);
      });
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

  /** False: it waits for a promise, has failed, or was closed by what `onOutput` did. */
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

  /** After the end of its call nobody is left to be told: how that one ended is known already. */
  #fail(reason: unknown): void {
    if (this.#isClosed) return;
    this.close();
    this.#events.failed(reason);
  }

  #consumed(item: OutputChunk): void {
    const credit = this.#window.consumed(item.chunk.byteLength);
    if (credit > 0 && !this.#isComplete && !this.#isClosed) this.#events.credit(credit);
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
