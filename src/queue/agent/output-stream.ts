/** A running call's output on its way to the caller, at most a window ahead. */
import { onAbort } from '../../wait/abort.js';
import { decodeCredit, OUTPUT_LIMITS, SendWindow } from '../wire/credits.js';
import { FrameType } from '../wire/messages.js';
import type { AgentLink, AgentStream } from './agent-link.js';
import type { OutputSink } from './call-context.js';

const STREAM_NUMBER = { stdout: 1, stderr: 2 } as const;

export class OutputStream implements AgentStream, OutputSink {
  readonly index: number;
  readonly #link: AgentLink;
  readonly #batch: number;
  readonly #window = new SendWindow(OUTPUT_LIMITS);

  /** Once `signal` aborts, it sends nothing more and waits for nothing. */
  constructor(link: AgentLink, batch: number, index: number, signal: AbortSignal) {
    this.index = index;
    this.#link = link;
    this.#batch = batch;
    onAbort(signal, () => this.close());
  }

  write(stream: 'stdout' | 'stderr', bytes: Uint8Array): boolean {
    if (this.#window.closed) return true;
    const payload = new Uint8Array(1 + bytes.byteLength);
    payload[0] = STREAM_NUMBER[stream];
    payload.set(bytes, 1);
    this.#link.send(FrameType.Output, this.#batch, this.index, payload);
    this.#window.sent(bytes.byteLength);
    return !this.#window.isFull() && this.#link.congested !== true;
  }

  async drained(): Promise<void> {
    await this.#window.opened();
    await this.#link.drained?.();
  }

  take(type: number, payload: Uint8Array): void {
    if (type === FrameType.Credit) this.#window.credit(decodeCredit(payload));
  }

  close(): void {
    this.#window.close();
  }
}
