/** Counts what one peer of a transfer has sent or received. */
import type { TransferCounts } from '../wire/messages.js';

export class TransferCounter implements TransferCounts {
  bytes = 0;
  files = 0;
  directories = 0;
  links = 0;
  /** Known for a single file, once it was looked at. */
  totalBytes: number | undefined;
  readonly #onBytes: () => void;

  /** `onBytes` is called for every chunk. */
  constructor(onBytes: () => void = () => undefined) {
    this.#onBytes = onBytes;
  }

  addBytes(bytes: number): void {
    this.bytes += bytes;
    this.#onBytes();
  }

  get counts(): TransferCounts {
    const { bytes, files, directories, links } = this;
    return { bytes, files, directories, links };
  }
}
