/** The parts of a transfer in flight: the writer waits for its window, the reader holds unprocessed parts. */
import { decodeCredit, encodeCredit, ReceiveWindow, SendWindow, type StreamLimits } from '../wire/credits.js';
import { ProtocolError } from '../wire/frames.js';
import { CHUNK_BYTES, MAX_PART_BYTES } from './parts.js';

/** The window allows 66 MB/s at a round trip of 30 ms. */
export const FILE_LIMITS: StreamLimits = {
  windowBytes: 2 * 1024 * 1024,
  firstBytes: 3 * CHUNK_BYTES,
  fewestBytes: 64 * 1024,
  pieceBytes: MAX_PART_BYTES,
  pieceCostBytes: 256,
  creditBytes: 0,
};

export class PartWriter {
  readonly #send: (part: Uint8Array) => void | Promise<void>;
  readonly #window = new SendWindow(FILE_LIMITS);
  #stopped: { readonly reason: unknown } | undefined;

  /** `send` copies the part; the next part waits for its promise, if any. */
  constructor(send: (part: Uint8Array) => void | Promise<void>) {
    this.#send = send;
  }

  /** Resolves once the part is sent, when the window has room. Rejects with the reason of `stop`. */
  async write(part: Uint8Array): Promise<void> {
    await this.#window.opened(part.byteLength);
    if (this.#stopped !== undefined) throw this.#stopped.reason;
    this.#window.sent(part.byteLength);
    await this.#send(part);
  }

  /** Takes a Credit frame's payload. Throws a ProtocolError for credit beyond what was sent. */
  credit(payload: Uint8Array): void {
    this.#window.credit(decodeCredit(payload));
  }

  stop(reason: unknown): void {
    this.#stopped ??= { reason };
    this.#window.close();
  }
}

export class PartReader {
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

  /** Takes a copy of a part. Throws a ProtocolError when the window has no room. */
  push(part: Uint8Array): void {
    if (this.#stopped !== undefined) return;
    if (part.byteLength > MAX_PART_BYTES) {
      throw new ProtocolError(`a part of ${String(part.byteLength)} bytes, ${String(MAX_PART_BYTES)} are allowed`);
    }
    this.#window.arrived(part.byteLength);
    this.#parts.push(new Uint8Array(part));
    this.#wake();
  }

  /** No part follows. */
  end(): void {
    this.#isWhole = true;
    this.#wake();
  }

  /** Drops held parts; a waiting `next` rejects with the reason. */
  stop(reason: unknown): void {
    this.#stopped ??= { reason };
    this.#parts = [];
    this.#wake();
  }

  /** The next part, undefined after the last. Asking for it credits the part before. */
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
