/**
 * Frames: how messages lie in a stream of bytes.
 *
 *     u32le payload length | u8 type | u32le batch | u32le index | payload
 *
 * Bytes are read and written one by one rather than through a DataView: making a view costs more than a small frame does.
 */

/** Longest payload. Checked against the announced length before anything is allocated. */
export const MAX_PAYLOAD_BYTES = 64 * 1024 * 1024;

export const HEADER_BYTES = 13;

const FIRST_BYTES = 4096;
const NOTHING = new Uint8Array(0);
const scratch = new DataView(new ArrayBuffer(8));

export function readU8(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

export function readU16(bytes: Uint8Array, at: number): number {
  return readU8(bytes, at) | (readU8(bytes, at + 1) << 8);
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (readU16(bytes, at) | (readU16(bytes, at + 2) << 16)) >>> 0;
}

export function readF64(bytes: Uint8Array, at: number): number {
  for (let i = 0; i < 8; i++) scratch.setUint8(i, readU8(bytes, at + i));
  return scratch.getFloat64(0, true);
}

/** Writes frames one after the other into a buffer that grows as needed. */
export class FrameWriter {
  #buffer: Uint8Array<ArrayBuffer>;
  #used = 0;
  #frameAt = 0;

  constructor(firstBytes = FIRST_BYTES) {
    this.#buffer = new Uint8Array(firstBytes);
  }

  get empty(): boolean {
    return this.#used === 0;
  }

  /** A whole frame. The caller keeps payloads below MAX_PAYLOAD_BYTES; the reader checks that. */
  frame(type: number, batch: number, index: number, payload: Uint8Array = NOTHING): void {
    this.begin(type, batch, index);
    this.bytes(payload);
    this.end();
  }

  /** Lets `source` write its frames; drops them when that throws. */
  wholly(source: { write(writer: FrameWriter): void }): void {
    const before = this.#used;
    try {
      source.write(this);
    } catch (error) {
      this.#used = before;
      throw error;
    }
  }

  /** Starts a frame; the payload follows piece by piece, then `end`. */
  begin(type: number, batch: number, index: number): void {
    this.#frameAt = this.#used;
    this.#reserve(HEADER_BYTES);
    this.#used += 4; // the length, which `end` knows
    this.u8(type);
    this.u32(batch);
    this.u32(index);
  }

  end(): void {
    const end = this.#used;
    this.#used = this.#frameAt;
    this.u32(end - this.#frameAt - HEADER_BYTES);
    this.#used = end;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#used++] = value;
  }

  u16(value: number): void {
    this.#reserve(2);
    this.#buffer[this.#used++] = value;
    this.#buffer[this.#used++] = value >>> 8;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#buffer[this.#used++] = value;
    this.#buffer[this.#used++] = value >>> 8;
    this.#buffer[this.#used++] = value >>> 16;
    this.#buffer[this.#used++] = value >>> 24;
  }

  f64(value: number): void {
    this.#reserve(8);
    scratch.setFloat64(0, value, true);
    for (let i = 0; i < 8; i++) this.#buffer[this.#used++] = scratch.getUint8(i);
  }

  /** Copies bytes: payload, or frames that are whole already. */
  bytes(bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return; // often so, and `set` is dear
    this.#reserve(bytes.byteLength);
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.byteLength;
  }

  /** Everything written so far. */
  get whole(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#used);
  }

  /** Everything written so far, now owned by the caller; the writer starts afresh. */
  take(): Uint8Array<ArrayBuffer> {
    const bytes = this.whole;
    // As large as this one: what a turn or round writes resembles the last.
    this.#buffer = new Uint8Array(Math.max(FIRST_BYTES, this.#used));
    this.#used = 0;
    return bytes;
  }

  #reserve(bytes: number): void {
    const needed = this.#used + bytes;
    if (needed <= this.#buffer.byteLength) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.#buffer.byteLength));
    grown.set(this.#buffer.subarray(0, this.#used));
    this.#buffer = grown;
  }
}

export function encodeFrame(
  type: number,
  batch: number,
  index: number,
  payload: Uint8Array = NOTHING,
): Uint8Array<ArrayBuffer> {
  const writer = new FrameWriter(HEADER_BYTES + payload.byteLength);
  writer.frame(type, batch, index, payload);
  return writer.whole;
}

/** The link's bytes are not valid frames. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly code = 'ERR_PROTOCOL';
}

/** Called for each whole frame. `payload` and `frame` (with header) are views, valid only during the call. */
export type FrameHandler = (type: number, batch: number, index: number, payload: Uint8Array, frame: Uint8Array) => void;

/**
 * Cuts a byte stream into frames. A frame that lies whole in one chunk is not copied. Of a longer one only received
 * bytes are held, so that an announced length costs nothing.
 */
export class FrameReader {
  readonly #onFrame: FrameHandler;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #wantedBytes = HEADER_BYTES;

  constructor(onFrame: FrameHandler) {
    this.#onFrame = onFrame;
  }

  /** Throws a ProtocolError when a frame announces more than MAX_PAYLOAD_BYTES; the stream is then unusable. */
  push(chunk: Uint8Array): void {
    if (this.#heldBytes === 0) {
      this.#hold(this.#readWhole(chunk));
      return;
    }
    this.#hold(chunk);
    while (this.#heldBytes >= this.#wantedBytes) {
      const joined = join(this.#held);
      this.#held = [];
      this.#heldBytes = 0;
      this.#wantedBytes = HEADER_BYTES;
      this.#hold(this.#readWhole(joined));
    }
  }

  /** Hands out the whole frames of `bytes`; returns the rest. */
  #readWhole(bytes: Uint8Array): Uint8Array {
    let at = 0;
    while (bytes.byteLength - at >= HEADER_BYTES) {
      const payloadBytes = readU32(bytes, at);
      if (payloadBytes > MAX_PAYLOAD_BYTES) {
        const announced = `a frame announces ${String(payloadBytes)} bytes`;
        throw new ProtocolError(`${announced}, more than the ${String(MAX_PAYLOAD_BYTES)} allowed`);
      }
      const payloadAt = at + HEADER_BYTES;
      const end = payloadAt + payloadBytes;
      if (end > bytes.byteLength) {
        this.#wantedBytes = HEADER_BYTES + payloadBytes;
        break;
      }
      const type = readU8(bytes, at + 4);
      const batch = readU32(bytes, at + 5);
      const index = readU32(bytes, at + 9);
      // Many frames have no payload, and a view costs more than they do.
      const payload = payloadBytes === 0 ? NOTHING : bytes.subarray(payloadAt, end);
      this.#onFrame(type, batch, index, payload, bytes.subarray(at, end));
      at = end;
    }
    return at === 0 ? bytes : bytes.subarray(at);
  }

  /** Copies, as the chunk's owner may reuse its memory. (slice() of a Buffer would be a view.) */
  #hold(rest: Uint8Array): void {
    if (rest.byteLength === 0) return;
    this.#held.push(new Uint8Array(rest));
    this.#heldBytes += rest.byteLength;
  }
}

/** Cuts bytes into pieces, by default of a frame's size. */
export function* piecesOf(bytes: Uint8Array, pieceBytes = MAX_PAYLOAD_BYTES): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

export function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}
