/**
 * The controller's side of transfers, one at a time per batch. An agent may start one only for the call that its batch
 * awaits, and what is read or written here is what that call says, not what the agent says.
 */
import { decode, encode } from '../wire/codec/codec.js';
import { FrameWriter, ProtocolError } from '../wire/frames.js';
import { isTransferMethod, readOrder, type TransferOrder } from '../transfer/order.js';
import { TransferSide } from '../transfer/side.js';
import type { Tally } from '../transfer/tally.js';
import { FrameType, type TransferReport } from '../wire/messages.js';
import type { BatchRun } from './batch-run.js';

const PROGRESS_BYTES = 1024 * 1024;

export interface BatchTransfersOwner {
  /** To the agent. Copies the payload. */
  send(type: FrameType, batch: number, index: number, payload: Uint8Array): void;
  /** To the main thread. */
  tell(type: FrameType, batch: number, index: number, payload: Uint8Array): void;
  /** The agent's parts make no sense: it is not believed any further. */
  broken(error: Error): void;
}

interface Transfer {
  readonly side: TransferSide;
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

  /** A frame of a transfer, for the call that the batch awaits. Throws ProtocolError when it makes no sense. */
  take(type: number, batch: BatchRun, payload: Uint8Array): void {
    const transfer = this.#running.get(batch.id);
    if (type === FrameType.TransferStart) {
      if (transfer !== undefined) throw new ProtocolError('a transfer was started twice');
      this.#start(batch);
      return;
    }
    if (transfer === undefined) throw new ProtocolError('a frame of a transfer that was not started');
    // What was on its way when our side ended.
    if (transfer.isOver) return;
    switch (type) {
      case FrameType.Data:
        transfer.side.data(payload);
        return;
      case FrameType.Credit:
        transfer.side.credit(payload);
        return;
      case FrameType.DataEnd:
        transfer.side.farEnd(reportIn(payload));
        return;
    }
  }

  /** The awaited call has returned. Throws ProtocolError when it cannot have: our side of its transfer is not over. */
  answered(batch: number): void {
    const transfer = this.#running.get(batch);
    if (transfer?.isOver === false) throw new ProtocolError('a transfer returned before it was over');
    this.#running.delete(batch);
  }

  /** The batch is settled: what is partial of its transfer is removed, before anybody hears of it. */
  end(batch: number): void {
    const transfer = this.#running.get(batch);
    this.#running.delete(batch);
    if (transfer === undefined || transfer.isOver) return;
    transfer.side.cancel();
    transfer.side.discardNow();
  }

  #start(batch: BatchRun): void {
    const { id, next: index } = batch;
    const order = orderOf(batch);
    let toldBytes = 0;
    const tell = (): void => {
      toldBytes = side.tally.bytes;
      this.#owner.tell(FrameType.Progress, id, index, progressOf(side.tally));
    };
    const side = new TransferSide(
      order,
      'controller',
      {
        data: part => {
          this.#owner.send(FrameType.Data, id, index, part);
        },
        credit: payload => {
          this.#owner.send(FrameType.Credit, id, index, payload);
        },
      },
      () => {
        if (side.tally.bytes - toldBytes >= PROGRESS_BYTES) tell();
      },
    );
    const transfer: Transfer = { side, isOver: false };
    this.#running.set(id, transfer);
    void side.run().then(
      report => {
        if (this.#running.get(id) === transfer && report.error === undefined) tell();
        transfer.isOver = true;
        this.#owner.send(FrameType.DataEnd, id, index, encode(report));
      },
      (error: unknown) => {
        this.#owner.broken(error as Error);
      },
    );
  }
}

/** From the Call frame that we have sent. */
function orderOf(batch: BatchRun): TransferOrder {
  const { method, args } = batch.awaitedCall;
  if (!isTransferMethod(method)) throw new ProtocolError(`a transfer was started by ${method}, which has none`);
  return readOrder(method, decode(args) as readonly unknown[]);
}

function reportIn(payload: Uint8Array): TransferReport {
  const report = decode(payload);
  if (typeof report === 'object' && report !== null) return report;
  throw new ProtocolError('a transfer ended without a report');
}

function progressOf({ bytes, totalBytes = NaN }: Tally): Uint8Array {
  const writer = new FrameWriter(16);
  writer.f64(bytes);
  writer.f64(totalBytes);
  return writer.take();
}
