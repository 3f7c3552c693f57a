/**
 * The controller's side of transfers, one at a time per batch. An agent may start one only for the awaited call, and only
 * that call decides which files are read or written here.
 */
import { decode, encode } from '../wire/codec/codec.js';
import { FrameWriter, ProtocolError } from '../wire/frames.js';
import { isTransferMethod, readRequest, type TransferRequest } from '../transfer/request.js';
import { TransferPeer } from '../transfer/peer.js';
import type { TransferCounter } from '../transfer/counter.js';
import { FrameType, type TransferReport } from '../wire/messages.js';
import type { BatchRun } from './batch-run.js';

const PROGRESS_BYTES = 1024 * 1024;

export interface BatchTransfersOwner {
  /** Sends a frame to the agent. Copies the payload. */
  send(type: FrameType, batch: number, index: number, payload: Uint8Array): void;
  /** Sends a frame to the main thread. */
  report(type: FrameType, batch: number, index: number, payload: Uint8Array): void;
  /** The agent's frames make no sense; the link ends. */
  broken(error: Error): void;
}

interface Transfer {
  readonly peer: TransferPeer;
  isOver: boolean;
}

/** Whether a frame from the agent belongs to a transfer. */
export function isOfTransfer(type: number): boolean {
  return type === FrameType.TransferStart || (type >= FrameType.Credit && type <= FrameType.DataEnd);
}

export class BatchTransfers {
  readonly #owner: BatchTransfersOwner;
  readonly #running = new Map<number, Transfer>();

  constructor(owner: BatchTransfersOwner) {
    this.#owner = owner;
  }

  /** A frame of a transfer, for the call that the batch awaits. Throws a ProtocolError when it makes no sense. */
  take(type: number, batch: BatchRun, payload: Uint8Array): void {
    const transfer = this.#running.get(batch.id);
    if (type === FrameType.TransferStart) {
      if (transfer !== undefined) throw new ProtocolError('a transfer was started twice');
      this.#start(batch);
      return;
    }
    if (transfer === undefined) throw new ProtocolError('a frame of a transfer that was not started');
    // Was on its way when our side ended.
    if (transfer.isOver) return;
    switch (type) {
      case FrameType.Data:
        transfer.peer.data(payload);
        return;
      case FrameType.Credit:
        transfer.peer.credit(payload);
        return;
      case FrameType.DataEnd:
        transfer.peer.remoteEnded(reportIn(payload));
        return;
    }
  }

  /** The awaited call has returned. Throws a ProtocolError if our side of its transfer is not over. */
  answered(batch: number): void {
    const transfer = this.#running.get(batch);
    if (transfer?.isOver === false) throw new ProtocolError('a transfer returned before it was over');
    this.#running.delete(batch);
  }

  /** The batch settles: removes partial files before the main thread knows. */
  end(batch: number): void {
    const transfer = this.#running.get(batch);
    this.#running.delete(batch);
    if (transfer === undefined || transfer.isOver) return;
    transfer.peer.cancel();
    transfer.peer.discardNow();
  }

  #start(batch: BatchRun): void {
    const { id, next: index } = batch;
    const request = requestOf(batch);
    let reportedBytes = 0;
    const reportProgress = (): void => {
      reportedBytes = peer.counter.bytes;
      this.#owner.report(FrameType.Progress, id, index, progressOf(peer.counter));
    };
    const peer = new TransferPeer(
      request,
      'controller',
      {
        data: part => this.#owner.send(FrameType.Data, id, index, part),
        credit: payload => this.#owner.send(FrameType.Credit, id, index, payload),
      },
      {
        onBytes: () => {
          if (peer.counter.bytes - reportedBytes >= PROGRESS_BYTES) reportProgress();
        },
      },
    );
    const transfer: Transfer = { peer, isOver: false };
    this.#running.set(id, transfer);
    void peer.run().then(
      report => {
        if (this.#running.get(id) === transfer && report.error === undefined) reportProgress();
        transfer.isOver = true;
        this.#owner.send(FrameType.DataEnd, id, index, encode(report));
      },
      (error: unknown) => this.#owner.broken(error as Error),
    );
  }
}

/** Reads the request from the Call frame that was sent to the agent. */
function requestOf(batch: BatchRun): TransferRequest {
  const { method, args, wantsTotal } = batch.awaitedCall;
  if (!isTransferMethod(method)) throw new ProtocolError(`a transfer was started by ${method}, which has none`);
  return { ...readRequest(method, decode(args) as readonly unknown[]), wantsTotal };
}

function reportIn(payload: Uint8Array): TransferReport {
  const report = decode(payload);
  if (typeof report === 'object' && report !== null) return report;
  throw new ProtocolError('a transfer ended without a report');
}

function progressOf({ bytes, totalBytes = NaN }: TransferCounter): Uint8Array {
  const writer = new FrameWriter(16);
  writer.f64(bytes);
  writer.f64(totalBytes);
  return writer.take();
}
