/**
 * The batches of one link: sends them to the agent and takes its answers.
 *
 * A batch is unsent, then sent, then settled and removed. A sent batch awaits one answer at a time, in the order of its
 * calls; any other breaks the protocol. Its clock runs for the awaited call, or, once that is cancelled, for the agent's
 * answer to the cancel.
 */
import { encode } from '../wire/codec/codec.js';
import { encodeFrame, ProtocolError } from '../wire/frames.js';
import {
  type DownKind,
  type DownReport,
  EVERY_CALL,
  FrameType,
  type Output,
  type Phase,
  PHASES,
  type ThreadSettings,
} from '../wire/messages.js';
import { ANSWER_MARGIN_MS } from './agent-kill.js';
import type { BatchRun } from './batch-run.js';
import { BatchTransfers, isOfTransfer } from './batch-transfers.js';
import type { Outbox } from './outbox.js';

export interface LinkBatchesOwner {
  readonly settings: ThreadSettings;
  /** Frames to the main thread. */
  readonly outbox: Outbox;
}

interface LinkBatchesEvents {
  /** Writes to the agent. */
  write(bytes: Uint8Array): void;
  /** The agent's frames make no sense. */
  broken(error: Error): void;
  /** The agent does not answer a cancel and must go. */
  unheeded(error: Error): void;
  /** Whether the awaited call of a sent batch may have started. */
  mayHaveStarted(batch: number): boolean;
  /** What its awaited call has printed, where that is known here. */
  printed(batch: number): Output | undefined;
  /** The last batch is about to be settled. */
  empty(): void;
}

/** Why batches end without an answer. */
type Down = Pick<DownReport, 'kind' | 'error' | 'killed'>;

export class LinkBatches {
  readonly #owner: LinkBatchesOwner;
  readonly #events: LinkBatchesEvents;
  readonly #batches = new Map<number, BatchRun>();
  readonly #transfers: BatchTransfers;

  constructor(owner: LinkBatchesOwner, events: LinkBatchesEvents) {
    this.#owner = owner;
    this.#events = events;
    this.#transfers = new BatchTransfers({
      send: (type, batch, index, payload) => events.write(encodeFrame(type, batch, index, payload)),
      report: (type, batch, index, payload) => owner.outbox.frame(type, batch, index, payload),
      broken: error => events.broken(error),
    });
  }

  get size(): number {
    return this.#batches.size;
  }

  get unsent(): BatchRun[] {
    return [...this.#batches.values()].filter(batch => !batch.sent);
  }

  /** Whether the agent has yet to answer a cancel. */
  get awaitCancel(): boolean {
    return [...this.#batches.values()].some(batch => batch.awaitsCancel);
  }

  has(id: number): boolean {
    return this.#batches.has(id);
  }

  add(batch: BatchRun): void {
    this.#batches.set(batch.id, batch);
  }

  enter(batch: BatchRun, phase: Phase): void {
    batch.phase = phase;
    this.#owner.outbox.lazily(FrameType.Phase, batch.id, PHASES.indexOf(phase));
  }

  send(batch: BatchRun): void {
    batch.sent = true;
    this.#startCallClock(batch);
    // In front of the calls, so that the agent knows before any starts.
    for (const index of batch.cancelledEarly) this.cancel(batch, index);
    this.#events.write(batch.frames);
  }

  /** Ends one call of a sent batch, now or at its turn, or the whole batch (EVERY_CALL). */
  cancel(batch: BatchRun, index: number): void {
    this.#events.write(encodeFrame(FrameType.Cancel, batch.id, index));
    batch.isEnding ||= index === EVERY_CALL;
    if (!batch.awaitsCancel && (batch.isEnding || index === batch.next)) {
      this.#awaitCancel(batch, 'cancelled', 'the agent did not end the cancelled call');
    }
  }

  /** The awaited call may send more; ignored for others. `payload` is a Credit frame's. */
  credit(batch: BatchRun, index: number, payload: Uint8Array): void {
    if (!batch.sent || batch.settled || batch.next !== index) return;
    this.#events.write(encodeFrame(FrameType.Credit, batch.id, index, payload));
  }

  /** An answer of the agent. Throws a ProtocolError for one that the batch does not await. */
  take(type: number, id: number, index: number, payload: Uint8Array, frame: Uint8Array): void {
    if (!isAnswer(type)) throw new ProtocolError(`a frame of unknown type ${String(type)}`);
    const batch = this.#batches.get(id);
    const isFit = type === FrameType.Failed ? batch?.mayFailAt(index) === true : batch?.next === index;
    if (batch?.sent !== true || !isFit) {
      throw new ProtocolError(`an answer to call ${String(index)} of batch ${String(id)}, which awaits none`);
    }
    if (isOfTransfer(type)) {
      this.#transfers.take(type, batch, payload);
      return;
    }
    if (type === FrameType.Value) this.#transfers.answered(id);
    this.#owner.outbox.whole(frame);
    if (type === FrameType.Failed || (type === FrameType.Value && batch.advance())) this.#settle(batch);
    else if (type === FrameType.Value && !batch.isEnding) this.#startCallClock(batch);
  }

  /** Without an answer. */
  end(batch: BatchRun, { kind, error, killed }: Down): void {
    const { unheeded, phase } = batch;
    const sent = batch.sent && this.#events.mayHaveStarted(batch.id);
    const facts = sent ? { killed, output: this.#events.printed(batch.id) } : {};
    const report: DownReport = { kind, error, ...unheeded, phase, ...facts };
    this.#owner.outbox.frame(FrameType.Down, batch.id, sent ? 1 : 0, encode(report));
    this.#settle(batch);
  }

  endAll(down: Down): void {
    for (const batch of [...this.#batches.values()]) this.end(batch, down);
  }

  /** Removes them from this link. */
  takeUnsent(): BatchRun[] {
    const { unsent } = this;
    for (const { id } of unsent) this.#batches.delete(id);
    return unsent;
  }

  #startCallClock(batch: BatchRun): void {
    batch.startCallClock(() => {
      this.#owner.outbox.frame(FrameType.TimedOut, batch.id, batch.next);
      this.#events.write(encodeFrame(FrameType.Cancel, batch.id, batch.next));
      this.#awaitCancel(batch, 'timeout', 'the agent did not end the call that timed out');
    });
  }

  #awaitCancel(batch: BatchRun, kind: DownKind, message: string): void {
    const waitMs = this.#owner.settings.killGraceMs + ANSWER_MARGIN_MS;
    batch.awaitCancel(waitMs, () => {
      const error = new Error(`${message} within ${String(waitMs)} ms`);
      batch.unheeded = { kind, error };
      this.#events.unheeded(error);
    });
  }

  #settle(batch: BatchRun): void {
    this.#batches.delete(batch.id);
    this.#transfers.end(batch.id);
    if (this.#batches.size === 0) this.#events.empty();
    batch.settle();
  }
}

function isAnswer(type: number): boolean {
  return type === FrameType.Value || type === FrameType.Failed || type === FrameType.Output || isOfTransfer(type);
}
