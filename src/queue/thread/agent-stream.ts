/** What an agent says, from the noise of the login shell before its marker to the frames after it. */
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

  /** What came in place of the marker, quoted. */
  get noise(): string {
    return this.#found ? '""' : this.#search.noise;
  }

  /** As the agent's loader named it, with the marker; undefined where there is no Node. */
  get nodeVersion(): string | undefined {
    return this.#search.nodeVersion;
  }

  /** Throws a TransportError: `bootstrap`, or `protocol` for what is none of our frames. */
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
