/** Prints for a fake drone's method as a command would: no faster than the output is consumed. */
import type { OutputSink } from '../queue/agent/call-context.js';
import { OUTPUT_LIMITS } from '../queue/wire/credits.js';

const { pieceBytes } = OUTPUT_LIMITS;

export class Printer {
  readonly #sink: OutputSink | undefined;
  #printed = Promise.resolve();

  /** Drops the output without a sink. */
  constructor(sink: OutputSink | undefined) {
    this.#sink = sink;
  }

  /** Resolves when all output so far is on its way. */
  get printed(): Promise<void> {
    return this.#printed;
  }

  /** Resolves when the output is on its way and there is room for more. */
  print(stream: 'stdout' | 'stderr', bytes: Uint8Array): Promise<void> {
    this.#printed = this.#printed.then(() => this.#send(stream, bytes));
    return this.#printed;
  }

  async #send(stream: 'stdout' | 'stderr', bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.byteLength && this.#sink !== undefined; at += pieceBytes) {
      const hasRoom = this.#sink.write(stream, bytes.subarray(at, at + pieceBytes));
      if (!hasRoom) await this.#sink.drained();
    }
  }
}
