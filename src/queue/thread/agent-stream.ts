/** An agent's output: the login shell's noise up to its marker, then frames. */
import { type FrameHandler, FrameReader } from '../wire/frames.js';
import { TransportError } from '../transport/transport.js';
import { MarkerSearch } from './agent-start.js';

export class AgentStream {
  readonly #search: MarkerSearch;
  readonly #reader: FrameReader;
  #found = false;

  constructor(marker: string, onFrame: FrameHandler) {
    this.#search = new MarkerSearch(marker);
    this.#reader = new FrameReader(onFrame);
  }

  /** The output in place of the marker, quoted. */
  get noise(): string {
    return this.#found ? '""' : this.#search.noise;
  }

  /** As named by the agent's loader; undefined without Node. */
  get nodeVersion(): string | undefined {
    return this.#search.nodeVersion;
  }

  /** Throws a TransportError: `bootstrap`, or `protocol` for invalid frames. */
  push(chunk: Uint8Array): void {
    try {
      const rest = this.#found ? chunk : this.#search.push(chunk);
      if (rest === undefined) return;
      this.#found = true;
      this.#reader.push(rest);
    } catch (error) {
      if (error instanceof TransportError) throw error;
      throw new TransportError('protocol', (error as Error).message, { cause: error });
    }
  }
}
