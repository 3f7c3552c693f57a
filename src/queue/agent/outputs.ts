/** What running calls write, on its way to those who asked for it, and never further ahead of them than a window. */
import { onAbort } from '../../wait/abort.js';
import { SendWindow } from '../wire/credits.js';
import { FrameType } from '../wire/messages.js';
import type { AgentLink } from './agent-link.js';
import type { OutputSink } from './call-context.js';

const STREAM_NUMBER = { stdout: 1, stderr: 2 } as const;

export class Outputs {
  readonly #link: AgentLink;
  /** By batch, which runs one call at a time. */
  readonly #open = new Map<number, { readonly index: number; readonly window: SendWindow }>();

  constructor(link: AgentLink) {
    this.#link = link;
  }

  /** For a call that starts. Once `signal` aborts, nothing more is sent and nobody waits for its consumer. */
  open(batch: number, index: number, signal: AbortSignal): OutputSink {
    const window = new SendWindow();
    this.#open.set(batch, { index, window });
    onAbort(signal, () => window.close());
    return {
      write: (stream, bytes) => {
        if (window.closed) return true;
        const payload = new Uint8Array(1 + bytes.byteLength);
        payload[0] = STREAM_NUMBER[stream];
        payload.set(bytes, 1);
        this.#link.send(FrameType.Output, batch, index, payload);
        window.sent(bytes.byteLength);
        return !window.full && this.#link.congested !== true;
      },
      drained: async () => {
        await window.opened();
        await this.#link.drained?.();
      },
    };
  }

  /** The controller has consumed so much. What is for a call that is over comes too late to matter. */
  credit(batch: number, index: number, bytes: number): void {
    const open = this.#open.get(batch);
    if (open?.index === index) open.window.credit(bytes);
  }

  /** The running call of the batch is over. */
  close(batch: number): void {
    this.#open.get(batch)?.window.close();
    this.#open.delete(batch);
  }
}
