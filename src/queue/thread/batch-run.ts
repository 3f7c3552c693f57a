/** One drone's batch in the worker thread: its awaited call and that call's clock. */
import { systemClock, type Timer } from '../../wait/clock.js';
import { HEADER_BYTES } from '../wire/frames.js';
import { type CallHead, callTimeoutAt, decodeCall, type DownKind, type Phase } from '../wire/messages.js';

export class BatchRun {
  readonly id: number;
  /** The batch's Call frames for the agent, joined. */
  readonly frames: Uint8Array;
  readonly count: number;
  next = 0;
  sent = false;
  settled = false;
  /** All of it was cancelled. */
  isEnding = false;
  #awaitsCancel = false;
  phase: Phase = 'waiting';
  /** Its cancel had no answer: it ends with this, whatever ends its link. */
  unheeded: { readonly kind: DownKind; readonly error: Error } | undefined;
  /** Calls cancelled before the batch was sent. */
  readonly cancelledEarly: number[] = [];
  readonly #callAt: readonly number[];
  readonly #onSettled: () => void;
  #timer: Timer | undefined;

  constructor(id: number, frames: Uint8Array, callAt: readonly number[], onSettled: () => void) {
    this.id = id;
    this.frames = frames;
    this.count = callAt.length;
    this.#callAt = callAt;
    this.#onSettled = onSettled;
  }

  /** As it was sent. */
  get awaitedCall(): CallHead {
    const [at = 0, end] = this.#callAt.slice(this.next);
    return decodeCall(this.frames.subarray(at + HEADER_BYTES, end));
  }

  /** The awaited call or one after it: a batch may fail at a later call before any of it has run. */
  mayFailAt(index: number): boolean {
    return index >= this.next && index < this.count;
  }

  /** The awaited call has answered; returns whether it was the last. */
  advance(): boolean {
    this.next++;
    return this.next === this.count;
  }

  /** Whether the agent has yet to answer a cancel of the awaited call. */
  get awaitsCancel(): boolean {
    return this.#awaitsCancel;
  }

  startCallClock(onTimeout: () => void): void {
    this.#awaitsCancel = false;
    const at = this.#callAt[this.next];
    if (at !== undefined) this.#startTimer(callTimeoutAt(this.frames, at), onTimeout);
  }

  /** Sets the time for the agent to answer a cancel of the awaited call. */
  awaitCancel(delayMs: number, onTimeout: () => void): void {
    this.#awaitsCancel = true;
    this.#startTimer(delayMs, onTimeout);
  }

  /** One timer: for the awaited call, or, once that is cancelled, for the answer to the cancel. */
  #startTimer(delayMs: number, onTimeout: () => void): void {
    this.#timer?.cancel();
    this.#timer = systemClock.setTimer(delayMs, onTimeout);
  }

  settle(): void {
    this.#timer?.cancel();
    this.settled = true;
    this.#onSettled();
  }
}
