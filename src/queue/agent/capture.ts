/** Keeps a stream up to a limit, beyond that its head and tail. Memory stays below the limit plus one chunk. */
export class Capture {
  readonly #headBytes: number;
  readonly #tailBytes: number;
  #head: Buffer = Buffer.alloc(0);
  #headUsed = 0;
  /** A ring, allocated when the head is full; the next byte goes to `#tailAt`. */
  #tail: Buffer = Buffer.alloc(0);
  #tailAt = 0;
  #tailUsed = 0;
  #total = 0;

  constructor(maxBytes: number) {
    this.#headBytes = Math.ceil(maxBytes / 2);
    this.#tailBytes = maxBytes - this.#headBytes;
  }

  /** Bytes written in all, kept or not. */
  get totalBytes(): number {
    return this.#total;
  }

  get truncated(): boolean {
    return this.#total > this.#headBytes + this.#tailBytes;
  }

  push(chunk: Uint8Array): void {
    this.#total += chunk.byteLength;
    const forHead = Math.min(chunk.byteLength, this.#headBytes - this.#headUsed);
    if (forHead > 0) this.#pushHead(chunk.subarray(0, forHead));
    if (forHead < chunk.byteLength && this.#tailBytes > 0) this.#pushTail(chunk.subarray(forHead));
  }

  /** As UTF-8, invalid bytes as U+FFFD. A character that the limit cuts in two counts as left out. */
  toString(): string {
    const head = this.#head.subarray(0, this.#headUsed);
    const oldestAt = this.#tailUsed < this.#tailBytes ? 0 : this.#tailAt;
    const tail = Buffer.concat([this.#tail.subarray(oldestAt, this.#tailUsed), this.#tail.subarray(0, oldestAt)]);
    if (!this.truncated) return Buffer.concat([head, tail]).toString();
    const first = head.subarray(0, endOfLastCharacter(head));
    const last = tail.subarray(startOfFirstCharacter(tail));
    const leftOut = this.#total - first.byteLength - last.byteLength;
    return `${first.toString()}\n[… ${String(leftOut)} bytes left out …]\n${last.toString()}`;
  }

  #pushHead(bytes: Uint8Array): void {
    const needed = this.#headUsed + bytes.byteLength;
    if (needed > this.#head.byteLength) {
      // Doubling keeps the copying linear; a short output stays small.
      const grown = Buffer.allocUnsafeSlow(Math.min(this.#headBytes, Math.max(needed, 2 * this.#head.byteLength)));
      grown.set(this.#head.subarray(0, this.#headUsed));
      this.#head = grown;
    }
    this.#head.set(bytes, this.#headUsed);
    this.#headUsed = needed;
  }

  #pushTail(chunk: Uint8Array): void {
    if (this.#tail.byteLength === 0) this.#tail = Buffer.allocUnsafeSlow(this.#tailBytes);
    const bytes = chunk.subarray(Math.max(0, chunk.byteLength - this.#tailBytes));
    const beforeWrap = Math.min(bytes.byteLength, this.#tailBytes - this.#tailAt);
    this.#tail.set(bytes.subarray(0, beforeWrap), this.#tailAt);
    this.#tail.set(bytes.subarray(beforeWrap), 0);
    this.#tailAt = (this.#tailAt + bytes.byteLength) % this.#tailBytes;
    this.#tailUsed = Math.min(this.#tailBytes, this.#tailUsed + bytes.byteLength);
  }
}

const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80;

/** Where to cut so that no UTF-8 character is split. */
function endOfLastCharacter(bytes: Uint8Array): number {
  const end = bytes.byteLength;
  for (let back = 1; back <= Math.min(3, end); back++) {
    const byte = bytes[end - back] ?? 0;
    if (isContinuation(byte)) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? end - back : end;
  }
  return end;
}

function startOfFirstCharacter(bytes: Uint8Array): number {
  let start = 0;
  while (start < Math.min(3, bytes.byteLength) && isContinuation(bytes[start] ?? 0)) start++;
  return start;
}
