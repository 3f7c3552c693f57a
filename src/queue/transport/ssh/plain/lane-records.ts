/** Separates a lane's records, lines that begin with its nonce, from the bytes of the commands around them. */

/** No record is longer; one without an end is given up as bytes. */
const LONGEST_RECORD_BYTES = 256;
const NOTHING = Buffer.alloc(0);

export interface RecordSink {
  bytes(chunk: Buffer): void;
  /** Without nonce and newline. */
  record(text: string): void;
}

export class LaneRecords {
  readonly #nonce: Buffer;
  readonly #sink: RecordSink;
  /** What may be the beginning of a record. */
  #held: Buffer = NOTHING;

  constructor(nonce: string, sink: RecordSink) {
    this.#nonce = Buffer.from(nonce);
    this.#sink = sink;
  }

  readonly take = (chunk: Buffer): void => {
    let data = this.#held.byteLength === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = NOTHING;
    for (;;) {
      const at = data.indexOf(this.#nonce);
      const begins = at < 0 ? data.byteLength - this.#beginningAtEnd(data) : at;
      if (begins > 0) this.#sink.bytes(data.subarray(0, begins));
      const end = at < 0 ? -1 : data.indexOf('\n', at);
      data = data.subarray(begins);
      if (end < 0) {
        if (data.byteLength > LONGEST_RECORD_BYTES) this.#sink.bytes(data);
        else this.#held = Buffer.from(data);
        return;
      }
      this.#sink.record(data.toString('latin1', this.#nonce.byteLength, end - begins));
      data = data.subarray(end - begins + 1);
    }
  };

  /** How many of the last bytes are the first of a nonce. */
  #beginningAtEnd(data: Buffer): number {
    for (let length = Math.min(this.#nonce.byteLength - 1, data.byteLength); length > 0; length--) {
      if (data.subarray(-length).equals(this.#nonce.subarray(0, length))) return length;
    }
    return 0;
  }
}
