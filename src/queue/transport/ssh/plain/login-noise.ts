/** Removes what login scripts print in front of a command's output. */

/** Kept of the noise, whose end may be the beginning of the marker. */
const KEPT_CHARS = 4096;

export class LoginNoise {
  readonly #marker: string;
  readonly #found: (word: string) => void;
  #isFound = false;
  /** One character per byte. */
  #noise = '';

  /** `found` gets the rest of the marker's line. */
  constructor(marker: string, found: (word: string) => void) {
    this.#marker = marker;
    this.#found = found;
  }

  /** The command's own part of this chunk. */
  own(chunk: Uint8Array): Uint8Array {
    if (this.#isFound) return chunk;
    this.#noise += Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1');
    const at = this.#noise.indexOf(this.#marker);
    const end = at < 0 ? -1 : this.#noise.indexOf('\n', at);
    if (end < 0) {
      // Also limits what follows the marker, as its line may never end.
      const isShort = at >= 0 && this.#noise.length - at <= KEPT_CHARS;
      this.#noise = this.#noise.slice(isShort ? at : -KEPT_CHARS);
      return new Uint8Array(0);
    }
    const rest = Buffer.from(this.#noise.slice(end + 1), 'latin1');
    this.#isFound = true;
    this.#found(this.#noise.slice(at + this.#marker.length, end).trim());
    this.#noise = '';
    return rest;
  }

  get noise(): string {
    return this.#noise;
  }
}
