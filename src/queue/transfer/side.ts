/**
 * One side of a transfer, on the controller's worker thread or in the agent: sends or receives, as the call's method
 * says, and comes to an end with a report.
 *
 * The sender sends its parts, then its report. The receiver writes them; when it fails, its report makes the sender stop.
 * A sender's failure makes the receiver clear away what is not whole. The agent answers the call only when it has the
 * controller's report, and its own side is over: by then nothing partial is left on either.
 */
import { ProtocolError } from '../wire/frames.js';
import type { TransferReport } from '../wire/messages.js';
import { failureOf, type Side } from './failure.js';
import { Inflow, Outflow } from './flow.js';
import { leaveNote, removeNote } from './note.js';
import type { TransferOrder } from './order.js';
import { Receiver } from './receiver.js';
import { Sender } from './sender.js';
import { Tally } from './tally.js';

/** How a side talks to the other. */
export interface FarSide {
  /** Copies the part; the next one waits for the promise, where it gives one. */
  data(part: Uint8Array): void | Promise<void>;
  credit(payload: Uint8Array): void;
}

/** Reasons to stop: the other side's report tells why, or nobody wants the transfer any more. */
const FAR_SIDE = Symbol('the other side has failed');
const CANCELLED = Symbol('the transfer was cancelled');

export class TransferSide {
  readonly order: TransferOrder;
  readonly tally: Tally;
  /** Resolves with the other side's report. */
  readonly farReport: Promise<TransferReport>;
  readonly #side: Side;
  readonly #outflow: Outflow;
  readonly #inflow: Inflow;
  readonly #receiver: Receiver;
  #far: TransferReport | undefined;
  #resolveFar!: (report: TransferReport) => void;

  /** `onBytes` is told of every chunk. */
  constructor(order: TransferOrder, side: Side, far: FarSide, onBytes?: () => void) {
    this.order = order;
    this.#side = side;
    this.tally = new Tally(onBytes);
    this.#outflow = new Outflow(part => far.data(part));
    this.#inflow = new Inflow(payload => {
      far.credit(payload);
    });
    this.#receiver = new Receiver(order, this.#inflow, this.tally);
    this.farReport = new Promise(resolve => {
      this.#resolveFar = resolve;
    });
  }

  get isSender(): boolean {
    return this.order.isPut === (this.#side === 'controller');
  }

  /** The other side's report, once it is here. */
  get far(): TransferReport | undefined {
    return this.#far;
  }

  /** Takes a part from the other side. Throws ProtocolError when it is not its turn. */
  data(part: Uint8Array): void {
    if (this.isSender) throw new ProtocolError('a part of a file from the side that is to receive it');
    this.#inflow.push(part);
  }

  /** Takes credit from the other side. Throws ProtocolError when there can be none. */
  credit(payload: Uint8Array): void {
    if (!this.isSender) throw new ProtocolError('credit from the side that sends');
    this.#outflow.credit(payload);
  }

  /** Takes the other side's report. */
  farEnd(report: TransferReport): void {
    this.#far ??= report;
    this.#resolveFar(report);
    if (report.error === undefined && report.isCancelled !== true) this.#inflow.end();
    else this.#inflow.stop(FAR_SIDE);
    this.#outflow.stop(FAR_SIDE);
  }

  /** Nobody wants the transfer any more; `run` soon says so. */
  cancel(): void {
    this.#inflow.stop(CANCELLED);
    this.#outflow.stop(CANCELLED);
  }

  /** After `cancel`, when nobody waits for `run`: see Receiver. */
  discardNow(): void {
    this.#receiver.discardNow();
  }

  /** Resolves with this side's report, however it ends; rejects only with a ProtocolError. */
  async run(): Promise<TransferReport> {
    const report = this.isSender ? await this.#send() : await this.#receive();
    if (
      this.isSender ||
      !this.order.tolerateFailure ||
      report.isCancelled === true ||
      this.#far?.isCancelled === true
    ) {
      return report;
    }
    const error = report.error ?? this.#far?.error;
    const warning = error === undefined ? await removeNote(this.order) : await leaveNote(this.order, error);
    return { ...report, warning };
  }

  async #send(): Promise<TransferReport> {
    const sender = new Sender(this.#outflow, this.tally);
    const ended = await this.#endOf(sender.run(this.order));
    return { ...ended, leftOut: sender.leftOut };
  }

  async #receive(): Promise<TransferReport> {
    const ended = await this.#endOf(this.#receiver.run());
    return { ...ended, counts: this.tally.counts };
  }

  async #endOf(work: Promise<void>): Promise<TransferReport> {
    try {
      await work;
      return {};
    } catch (error) {
      if (error === FAR_SIDE) return {};
      if (error === CANCELLED) return { isCancelled: true };
      if (error instanceof ProtocolError) throw error;
      return { error: failureOf(this.order, this.#side, error) };
    }
  }
}
