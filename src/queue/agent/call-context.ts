/** What a method may know and do about the call it serves. */
import type { TransferOrder } from '../transfer/order.js';
import type { TransferStream } from './transfer-stream.js';

export interface CallContext {
  /** Aborted when the call is cancelled or the link is gone: end what you started, then settle, one way or another. */
  readonly signal: AbortSignal;
  /** From TERM to KILL, ms. */
  readonly killGraceMs: number;
  /** Where a command's output goes while it runs; absent when nobody asked for it. */
  readonly output: OutputSink | undefined;
  warn(message: string): void;
  /** Starts to exchange files with the controller. */
  openTransfer(order: TransferOrder): TransferStream;
}

export interface OutputSink {
  /** Sends at once. False: the link or the consumer is behind, and the caller must wait for `drained` before it reads on. */
  write(stream: 'stdout' | 'stderr', bytes: Uint8Array): boolean;
  drained(): Promise<void>;
}

/** Thrown by a method that was ended by its signal and has more to say about it than that it is over. */
export class Cancelled extends Error {
  /** Whether all that the call had started is known to be gone. */
  readonly killed: boolean;
  readonly output: { readonly stdout: string; readonly stderr: string } | undefined;
  constructor(killed: boolean, output?: { readonly stdout: string; readonly stderr: string }) {
    super('the call was cancelled');
    this.killed = killed;
    this.output = output;
  }
}
