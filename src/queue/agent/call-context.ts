/** What a method may know and do about the call it serves. */
import type { FileSystem } from '../transfer/file-system.js';
import type { TransferRequest } from '../transfer/request.js';
import type { Output } from '../wire/messages.js';
import type { TransferStream } from './transfer-stream.js';

export interface CallContext {
  /** Aborted when the call is cancelled or the link gone: the method ends what it started, then settles. */
  readonly signal: AbortSignal;
  readonly killGraceMs: number;
  /** Receives a command's output while it runs; absent unless the caller streams it. */
  readonly output: OutputSink | undefined;
  /** How to read what the call's command has printed, for a failure that comes before the method settles. */
  prints(read: () => Output): void;
  warn(message: string): void;
  /** `files` is the drone's file system if it is not this machine's. */
  openTransfer(request: TransferRequest, files?: FileSystem): TransferStream;
}

export interface OutputSink {
  /** Sends at once. False if the link or the consumer is behind: await `drained` before reading on. */
  write(stream: 'stdout' | 'stderr', bytes: Uint8Array): boolean;
  drained(): Promise<void>;
}

/** Thrown by a method that its signal ended, to report how it ended. */
export class Cancelled extends Error {
  /** Whether everything that the call started is known to be gone. */
  readonly killed: boolean;
  constructor(killed: boolean) {
    super('the call was cancelled');
    this.killed = killed;
  }
}
