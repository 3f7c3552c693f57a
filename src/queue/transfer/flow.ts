/**
 * How much of a transfer is on its way at once. The sender may be a window ahead of what the receiver has dealt with,
 * and the receiver says how much that is: so neither holds more than a window, however slow the other or the disk.
 */
import { decodeCredit, encodeCredit } from '../wire/credits.js';
import { ProtocolError } from '../wire/frames.js';
import { MAX_PART_BYTES } from './parts.js';

/** At 30 ms to the drone and back, 66 MB/s. */
export const WINDOW_BYTES = 2 * 1024 * 1024;
/** Counted for each part beside its bytes, so that a window of tiny parts does not take a lot of memory either. */
const PART_COST_BYTES = 256;

export function costOf(part: Uint8Array): number {
  return part.byteLength + PART_COST_BYTES;
}

/**
 * At first so much: what is on its way stands in front of whatever else is to be sent, a cancel for one. A link that deals
 * with it at once gets twice as much the next time, up to the window, and one that takes long half of it.
 */
const FIRST_BYTES = 256 * 1024;
const FEWEST_BYTES = 64 * 1024;
const SLOW_MS = 1000;

/** The sender's end. */
export class Outflow {
  readonly #send: (part: Uint8Array) => void | Promise<void>;
  #onTheWay = 0;
  #limit = FIRST_BYTES;
  /** Dealt with since the limit was looked at, and when that was. */
  #credited = 0;
  #lookedAtMs = performance.now();
  #stopped: { readonly reason: unknown } | undefined;
  #wake: () => void = () => undefined;

  /** `send` copies the part; where it gives a promise, the next part waits for it. */
  constructor(send: (part: Uint8Array) => void | Promise<void>) {
    this.#send = send;
  }

  /** Resolves once the part is on its way, which is when the window has room; rejects with the reason of `stop`. */
  async write(part: Uint8Array): Promise<void> {
    while (this.#onTheWay >= this.#limit && this.#stopped === undefined) {
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
    if (this.#stopped !== undefined) throw this.#stopped.reason;
    this.#onTheWay += costOf(part);
    await this.#send(part);
  }

  /** Takes a credit frame's payload. Throws ProtocolError for credit for what was never sent. */
  credit(payload: Uint8Array): void {
    const bytes = decodeCredit(payload);
    if (payload.byteLength !== 4 || bytes > this.#onTheWay) {
      throw new ProtocolError(`credit for ${String(bytes)} bytes, where ${String(this.#onTheWay)} are on their way`);
    }
    this.#onTheWay -= bytes;
    this.#adapt(bytes);
    this.#wake();
  }

  #adapt(bytes: number): void {
    this.#credited += bytes;
    if (this.#credited < this.#limit) return;
    const nowMs = performance.now();
    const isSlow = nowMs - this.#lookedAtMs > SLOW_MS;
    this.#limit = isSlow ? Math.max(this.#limit / 2, FEWEST_BYTES) : Math.min(this.#limit * 2, WINDOW_BYTES);
    this.#credited = 0;
    this.#lookedAtMs = nowMs;
  }

  stop(reason: unknown): void {
    this.#stopped ??= { reason };
    this.#wake();
  }
}

/** The receiver's end. */
export class Inflow {
  readonly #credit: (payload: Uint8Array) => void;
  #parts: Uint8Array[] = [];
  #held = 0;
  #dealtWith = 0;
  #isWhole = false;
  #stopped: { readonly reason: unknown } | undefined;
  #wake: () => void = () => undefined;

  /** `credit` gets the payloads of credit frames. */
  constructor(credit: (payload: Uint8Array) => void) {
    this.#credit = credit;
  }

  /** Takes a copy of a part. Throws ProtocolError when it is more than the window has room for. */
  push(part: Uint8Array): void {
    if (this.#stopped !== undefined) return;
    if (part.byteLength > MAX_PART_BYTES || this.#held >= WINDOW_BYTES) {
      throw new ProtocolError(`a part of ${String(part.byteLength)} bytes that nobody had given credit for`);
    }
    this.#parts.push(new Uint8Array(part));
    this.#held += costOf(part);
    this.#wake();
  }

  /** Nothing follows what was pushed. */
  end(): void {
    this.#isWhole = true;
    this.#wake();
  }

  /** What is held is dropped; whoever awaits a part gets the reason. */
  stop(reason: unknown): void {
    this.#stopped ??= { reason };
    this.#parts = [];
    this.#wake();
  }

  /** The next part, undefined after the last. To ask for it is to have dealt with the one before. */
  async next(): Promise<Uint8Array | undefined> {
    if (this.#dealtWith > 0) {
      this.#credit(encodeCredit(this.#dealtWith));
      this.#held -= this.#dealtWith;
      this.#dealtWith = 0;
    }
    for (;;) {
      if (this.#stopped !== undefined) throw this.#stopped.reason;
      const part = this.#parts.shift();
      if (part !== undefined) {
        this.#dealtWith = costOf(part);
        return part;
      }
      if (this.#isWhole) return undefined;
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }
}
