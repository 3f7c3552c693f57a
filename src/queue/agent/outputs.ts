/** What running calls write, on its way to those who asked for it, and never further ahead of them than a window. */
import { onAbort } from '../../wait/abort.js';
import { SendWindow } from '../wire/credits.js';
import type { OutputSink } from './call-context.js';

const STREAM_NUMBER = { stdout: 1, stderr: 2 } as const;

export interface OutputsOptions {
  /** Sends the payload of an Output frame. */
  send(batch: number, index: number, payload: Uint8Array): void;
  /** Whether the link itself is behind, whoever's bytes are in it. */
  congested(): boolean;
  drained(): Promise<void>;
}

export class Outputs {
  readonly #options: OutputsOptions;
  /** By batch, which runs one call at a time. */
  readonly #open = new Map<number, { readonly index: number; readonly window: SendWindow }>();

  constructor(options: OutputsOptions) {
    this.#options = options;
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
        this.#options.send(batch, index, payload);
        window.sent(bytes.byteLength);
        return !window.full && !this.#options.congested();
      },
      drained: async () => {
        await window.opened();
        await this.#options.drained();
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
