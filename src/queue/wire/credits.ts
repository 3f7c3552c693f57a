/**
 * Credits: how a stream that flows over the boundaries (a command's output) keeps pace with whoever consumes it. The
 * sender may be ahead by one window; what was consumed is told it back in Credit frames. Whoever sends counts with a
 * SendWindow, whoever receives with a ReceiveWindow; what lies between them is never more than a window.
 */
import { ProtocolError, readU32 } from './frames.js';

/** Sent and not yet consumed, per call. Covers a link of 10 MB/s at 25 ms; 1,000 stuck consumers hold 256 MB. */
export const WINDOW_BYTES = 256 * 1024;
/** Longest piece that may be sent at once; also what one read of a pipe gives. */
export const LARGEST_PIECE_BYTES = 64 * 1024;
/** Told back only in lots, so that a little output costs no credit frame at all. */
const CREDIT_BYTES = 64 * 1024;

/** Payload of a Credit frame: u32le bytes. */
export function encodeCredit(bytes: number): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, bytes, true);
  return payload;
}

export function decodeCredit(payload: Uint8Array): number {
  return readU32(payload, 0);
}

/** The sender's count. */
export class SendWindow {
  #unconsumed = 0;
  #closed = false;
  #waiting: (() => void)[] = [];

  /** Nothing more is sent. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Whether the next piece has to wait for `opened`. */
  get full(): boolean {
    return !this.#closed && this.#unconsumed + LARGEST_PIECE_BYTES > WINDOW_BYTES;
  }

  sent(bytes: number): void {
    this.#unconsumed += bytes;
  }

  credit(bytes: number): void {
    this.#unconsumed = Math.max(0, this.#unconsumed - bytes);
    this.#wake();
  }

  /** Resolves when there is room for a piece, or nobody to wait for any more. */
  async opened(): Promise<void> {
    while (this.full) await new Promise<void>(resolve => this.#waiting.push(resolve));
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  #wake(): void {
    if (this.full) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** The receiver's count. */
export class ReceiveWindow {
  #uncredited = 0;
  #consumed = 0;

  /** Throws ProtocolError when the sender does not keep to its window: memory must not depend on its manners. */
  arrived(bytes: number): void {
    this.#uncredited += bytes;
    if (this.#uncredited <= WINDOW_BYTES) return;
    const ahead = `${String(this.#uncredited)} bytes ahead of its consumer`;
    throw new ProtocolError(`the output of a call is ${ahead}, ${String(WINDOW_BYTES)} are allowed`);
  }

  /** Gives the bytes that are to be credited now, mostly 0. */
  consumed(bytes: number): number {
    this.#consumed += bytes;
    if (this.#consumed < CREDIT_BYTES) return 0;
    const credit = this.#consumed;
    this.#consumed = 0;
    this.#uncredited -= credit;
    return credit;
  }
}
