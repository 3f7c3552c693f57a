/**
 * One peer of a transfer, on the controller's worker thread or in the agent: sends or receives, as the call's method
 * says, and ends with a report.
 *
 * The sender sends its parts, then its report. A receiver's failure is reported at once and makes the sender stop; a
 * sender's failure makes the receiver remove what is not whole. The agent answers the call when it has the controller's
 * report and its own peer is over: by then nothing partial is left.
 */
import { ProtocolError } from '../wire/frames.js';
import type { TransferReport } from '../wire/messages.js';
import { failureOf, type Side } from './failure.js';
import { type FileSystem, localFiles } from './file-system.js';
import { PartReader, PartWriter } from './part-stream.js';
import { leaveFailureNote, removeFailureNote } from './failure-note.js';
import type { TransferRequest } from './request.js';
import { Receiver } from './receiver.js';
import { Sender } from './sender.js';
import { TransferCounter } from './counter.js';

/** How a peer reaches the other. */
export interface PeerLink {
  /** Copies the part; the next one waits for the promise, if any. */
  data(part: Uint8Array): void | Promise<void>;
  credit(payload: Uint8Array): void;
}

/** Reasons to stop: the other peer's report gives the cause, or the transfer was cancelled. */
const REMOTE_FAILED = Symbol('the other side has failed');
const CANCELLED = Symbol('the transfer was cancelled');

export class TransferPeer {
  readonly request: TransferRequest;
  readonly counter: TransferCounter;
  readonly remoteReport: Promise<TransferReport>;
  readonly #side: Side;
  readonly #writer: PartWriter;
  readonly #reader: PartReader;
  readonly #receiver: Receiver;
  #remote: TransferReport | undefined;
  #resolveRemote!: (report: TransferReport) => void;

  readonly #files: FileSystem;

  /** `onBytes` is called for every chunk. */
  constructor(
    request: TransferRequest,
    side: Side,
    link: PeerLink,
    { files = localFiles, onBytes }: { readonly files?: FileSystem | undefined; readonly onBytes?: () => void } = {},
  ) {
    this.request = request;
    this.#files = files;
    this.#side = side;
    this.counter = new TransferCounter(onBytes);
    this.#writer = new PartWriter(part => link.data(part));
    this.#reader = new PartReader(payload => link.credit(payload));
    this.#receiver = new Receiver(request, this.#reader, this.counter, files);
    this.remoteReport = new Promise(resolve => {
      this.#resolveRemote = resolve;
    });
  }

  get isSender(): boolean {
    return this.request.isPut === (this.#side === 'controller');
  }

  /** The other peer's report, once it is here. */
  get remote(): TransferReport | undefined {
    return this.#remote;
  }

  /** Takes a part. Throws a ProtocolError when it is out of turn. */
  data(part: Uint8Array): void {
    if (this.isSender) throw new ProtocolError('a part of a file from the side that is to receive it');
    this.#reader.push(part);
  }

  /** Takes credit. Throws a ProtocolError when there can be none. */
  credit(payload: Uint8Array): void {
    if (!this.isSender) throw new ProtocolError('credit from the side that sends');
    this.#writer.credit(payload);
  }

  /** Takes the other peer's report. */
  remoteEnded(report: TransferReport): void {
    this.#remote ??= report;
    this.#resolveRemote(report);
    if (report.error === undefined && report.isCancelled !== true) this.#reader.end();
    else this.#reader.stop(REMOTE_FAILED);
    this.#writer.stop(REMOTE_FAILED);
  }

  /** Stops the transfer; `run` then resolves. */
  cancel(): void {
    this.#reader.stop(CANCELLED);
    this.#writer.stop(CANCELLED);
  }

  /** After `cancel`, when nothing waits for `run`: see Receiver. */
  discardNow(): void {
    this.#receiver.discardNow();
  }

  /** Resolves with this peer's report, however it ends; rejects only with a ProtocolError. */
  async run(): Promise<TransferReport> {
    const report = this.isSender ? await this.#send() : await this.#receive();
    if (
      this.isSender ||
      !this.request.tolerateFailure ||
      report.isCancelled === true ||
      this.#remote?.isCancelled === true
    ) {
      return report;
    }
    const error = report.error ?? this.#remote?.error;
    const warning =
      error === undefined
        ? await removeFailureNote(this.#files, this.request)
        : await leaveFailureNote(this.#files, this.request, error);
    return { ...report, warning };
  }

  async #send(): Promise<TransferReport> {
    const sender = new Sender(this.#writer, this.counter, this.#files);
    const ended = await this.#endOf(sender.run(this.request));
    return { ...ended, leftOut: sender.leftOut };
  }

  async #receive(): Promise<TransferReport> {
    const ended = await this.#endOf(this.#receiver.run());
    return { ...ended, counts: this.counter.counts };
  }

  async #endOf(work: Promise<void>): Promise<TransferReport> {
    try {
      await work;
      return {};
    } catch (error) {
      if (error === REMOTE_FAILED) return {};
      if (error === CANCELLED) return { isCancelled: true };
      if (error instanceof ProtocolError) throw error;
      return { error: failureOf(this.request, this.#side, error) };
    }
  }
}
