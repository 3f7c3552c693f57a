/**
 * Credits: how a stream over the boundaries (a command's output, a file) keeps pace with its consumer. The sender may
 * be ahead by one window; the consumer reports what it has processed in Credit frames. The sender counts with a
 * SendWindow, the receiver with a ReceiveWindow.
 */
import { ProtocolError, readU32 } from './frames.js';

export interface StreamLimits {
  /** Sent and not yet processed. */
  readonly windowBytes: number;
  /** The same at first: what is under way delays anything else, such as a cancel. */
  readonly firstBytes: number;
  /** The same over a slow link. A longer piece travels alone. */
  readonly fewestBytes: number;
  /** Longest piece. */
  readonly pieceBytes: number;
  /** Counted per piece beside its bytes, so that many tiny pieces take little memory, too. */
  readonly pieceCostBytes: number;
  /** Smallest amount that is credited. */
  readonly creditBytes: number;
}

const OUTPUT_WINDOW_BYTES = 256 * 1024;

/** The output of one call. The window covers a link of 10 MB/s at 25 ms; 1,000 stuck consumers hold 256 MB. */
export const OUTPUT_LIMITS: StreamLimits = {
  windowBytes: OUTPUT_WINDOW_BYTES,
  firstBytes: OUTPUT_WINDOW_BYTES,
  fewestBytes: OUTPUT_WINDOW_BYTES,
  // What one read of a pipe gives.
  pieceBytes: 64 * 1024,
  pieceCostBytes: 0,
  // So that a short output costs no credit frame.
  creditBytes: 64 * 1024,
};

/** A link that processes a sender's limit in less gets twice as much next time, a slower one half. */
const SLOW_MS = 1000;

/** Payload of a Credit frame: u32le bytes. */
export function encodeCredit(bytes: number): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, bytes, true);
  return payload;
}

/** Throws a ProtocolError for an invalid payload. */
export function decodeCredit(payload: Uint8Array): number {
  if (payload.byteLength !== 4) throw new ProtocolError(`a credit of ${String(payload.byteLength)} bytes, not 4`);
  return readU32(payload, 0);
}

export class SendWindow {
  readonly #limits: StreamLimits;
  #ahead = 0;
  #limit: number;
  /** Processed since the limit was checked, and the time of that. */
  #credited = 0;
  #lookedAtMs = performance.now();
  #closed = false;
  #waiting: (() => void)[] = [];

  constructor(limits: StreamLimits) {
    this.#limits = limits;
    this.#limit = limits.firstBytes;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether a piece, by default the longest, must wait for `opened`. */
  isFull(bytes = this.#limits.pieceBytes): boolean {
    return !this.#closed && this.#ahead > 0 && this.#ahead + this.#costOf(bytes) > this.#limit;
  }

  sent(bytes: number): void {
    this.#ahead += this.#costOf(bytes);
  }

  /** Throws a ProtocolError for credit beyond what was sent. */
  credit(bytes: number): void {
    if (bytes > this.#ahead) {
      throw new ProtocolError(`credit for ${String(bytes)} bytes, where ${String(this.#ahead)} are on their way`);
    }
    this.#ahead -= bytes;
    this.#adapt(bytes);
    this.#wake();
  }

  /** Resolves when there is room for such a piece, or the window is closed. */
  async opened(bytes?: number): Promise<void> {
    while (this.isFull(bytes)) await new Promise<void>(resolve => this.#waiting.push(resolve));
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  #costOf(bytes: number): number {
    return bytes + this.#limits.pieceCostBytes;
  }

  #adapt(bytes: number): void {
    this.#credited += bytes;
    if (this.#credited < this.#limit) return;
    const { fewestBytes, windowBytes } = this.#limits;
    const nowMs = performance.now();
    const isSlow = nowMs - this.#lookedAtMs > SLOW_MS;
    this.#limit = isSlow ? Math.max(this.#limit / 2, fewestBytes) : Math.min(this.#limit * 2, windowBytes);
    this.#credited = 0;
    this.#lookedAtMs = nowMs;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

export class ReceiveWindow {
  readonly #limits: StreamLimits;
  #uncredited = 0;
  #consumed = 0;

  constructor(limits: StreamLimits) {
    this.#limits = limits;
  }

  /** Throws a ProtocolError when the sender exceeds its window: memory must not depend on its manners. */
  arrived(bytes: number): void {
    const { windowBytes, pieceCostBytes } = this.#limits;
    this.#uncredited += bytes + pieceCostBytes;
    if (this.#uncredited <= windowBytes) return;
    const ahead = `${String(this.#uncredited)} bytes ahead of its consumer`;
    throw new ProtocolError(`what is sent for a call is ${ahead}, ${String(windowBytes)} are allowed`);
  }

  /** Counts a piece as processed. Returns the bytes to credit now, mostly 0. */
  consumed(bytes: number): number {
    const { creditBytes, pieceCostBytes } = this.#limits;
    this.#consumed += bytes + pieceCostBytes;
    if (this.#consumed < creditBytes) return 0;
    const credit = this.#consumed;
    this.#consumed = 0;
    this.#uncredited -= credit;
    return credit;
  }
}
