/** The start of an agent on a drone that may have no Node: listens in, until that is known. */
import { isNodeMissing } from '../missing-node.js';
import type { ChannelEvents } from '../transport.js';

/** Of what the start prints, enough to find the marker, and the last words of a shell, in. */
const KEPT_CHARS = 4096;

export class AgentProbe implements ChannelEvents {
  /** False when the start has ended for want of a Node. `events` then hears nothing of its end. */
  readonly hasNode: Promise<boolean>;
  readonly #marker: string;
  readonly #events: ChannelEvents;
  #decide: (hasNode: boolean) => void = () => undefined;
  #isDecided = false;
  #stdout = '';
  #stderr = '';

  constructor(marker: string, events: ChannelEvents) {
    this.#marker = marker;
    this.#events = events;
    this.hasNode = new Promise(resolve => {
      this.#decide = hasNode => {
        this.#isDecided = true;
        resolve(hasNode);
      };
    });
  }

  data(chunk: Uint8Array): void {
    if (!this.#isDecided) {
      this.#stdout = kept(this.#stdout, chunk);
      if (this.#stdout.includes(this.#marker)) this.#decide(true);
    }
    this.#events.data(chunk);
  }

  diagnostics(chunk: Uint8Array): void {
    if (!this.#isDecided) this.#stderr = kept(this.#stderr, chunk);
    this.#events.diagnostics(chunk);
  }

  end(cause: Error | undefined): void {
    const isMissing = !this.#isDecided && isNodeMissing(cause, this.#stderr);
    this.#decide(!isMissing);
    if (!isMissing) this.#events.end(cause);
  }
}

function kept(before: string, chunk: Uint8Array): string {
  return (before + Buffer.from(chunk).toString('latin1')).slice(-KEPT_CHARS);
}
