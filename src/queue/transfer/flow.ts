/** The parts of a transfer on their way: the sender waits for its window, the receiver holds what it has not dealt with. */
import { decodeCredit, encodeCredit, ReceiveWindow, SendWindow, type StreamLimits } from '../wire/credits.js';
import { ProtocolError } from '../wire/frames.js';
import { CHUNK_BYTES, MAX_PART_BYTES } from './parts.js';

/** The window allows 66 MB/s at 30 ms to the drone and back. */
export const FILE_LIMITS: StreamLimits = {
  windowBytes: 2 * 1024 * 1024,
  firstBytes: 3 * CHUNK_BYTES,
  fewestBytes: 64 * 1024,
  pieceBytes: MAX_PART_BYTES,
  pieceCostBytes: 256,
  creditBytes: 0,
};

/** The sender's end. */
export class Outflow {
  readonly #send: (part: Uint8Array) => void | Promise<void>;
  readonly #window = new SendWindow(FILE_LIMITS);
  #stopped: { readonly reason: unknown } | undefined;

  /** `send` copies the part; where it gives a promise, the next part waits for it. */
  constructor(send: (part: Uint8Array) => void | Promise<void>) {
    this.#send = send;
  }

  /** Resolves once the part is on its way, which is when the window has room; rejects with the reason of `stop`. */
  async write(part: Uint8Array): Promise<void> {
    await this.#window.opened(part.byteLength);
    if (this.#stopped !== undefined) throw this.#stopped.reason;
    this.#window.sent(part.byteLength);
    await this.#send(part);
  }

  /** Takes a Credit frame's payload. Throws ProtocolError for credit for what was never sent. */
  credit(payload: Uint8Array): void {
    this.#window.credit(decodeCredit(payload));
  }

  stop(reason: unknown): void {
    this.#stopped ??= { reason };
    this.#window.close();
  }
}

/** The receiver's end. */
export class Inflow {
  readonly #credit: (payload: Uint8Array) => void;
  readonly #window = new ReceiveWindow(FILE_LIMITS);
  #parts: Uint8Array[] = [];
  #takenBytes: number | undefined;
  #isWhole = false;
  #stopped: { readonly reason: unknown } | undefined;
  #wake: () => void = () => undefined;

  /** `credit` gets the payloads of Credit frames. */
  constructor(credit: (payload: Uint8Array) => void) {
    this.#credit = credit;
  }

  /** Takes a copy of a part. Throws ProtocolError when the window has no room for it. */
  push(part: Uint8Array): void {
    if (this.#stopped !== undefined) return;
    if (part.byteLength > MAX_PART_BYTES) {
      throw new ProtocolError(`a part of ${String(part.byteLength)} bytes, ${String(MAX_PART_BYTES)} are allowed`);
    }
    this.#window.arrived(part.byteLength);
    this.#parts.push(new Uint8Array(part));
    this.#wake();
  }

  /** Nothing follows what was pushed. */
  end(): void {
    this.#isWhole = true;
    this.#wake();
  }

  /** What is held is dropped; a waiting `next` rejects with the reason. */
  stop(reason: unknown): void {
    this.#stopped ??= { reason };
    this.#parts = [];
    this.#wake();
  }

  /** The next part, undefined after the last. To ask for it is to have dealt with the one before. */
  async next(): Promise<Uint8Array | undefined> {
    if (this.#takenBytes !== undefined) {
      this.#credit(encodeCredit(this.#window.consumed(this.#takenBytes)));
      this.#takenBytes = undefined;
    }
    for (;;) {
      if (this.#stopped !== undefined) throw this.#stopped.reason;
      const part = this.#parts.shift();
      if (part !== undefined) {
        this.#takenBytes = part.byteLength;
        return part;
      }
      if (this.#isWhole) return undefined;
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }
}
