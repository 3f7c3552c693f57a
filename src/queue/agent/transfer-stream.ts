/** The drone's side of a call's transfer, as its frames reach it. */
import { decode, encode } from '../wire/codec/codec.js';
import type { TransferOrder } from '../transfer/order.js';
import { TransferSide } from '../transfer/side.js';
import { FrameType, type TransferReport } from '../wire/messages.js';
import type { AgentLink, AgentStream } from './agent-link.js';

export class TransferStream implements AgentStream {
  readonly index: number;
  readonly side: TransferSide;
  readonly #link: AgentLink;
  readonly #batch: number;

  /** The worker thread starts its side, too. */
  constructor(link: AgentLink, batch: number, index: number, order: TransferOrder) {
    this.index = index;
    this.#link = link;
    this.#batch = batch;
    this.side = new TransferSide(order, 'drone', {
      data: part => {
        link.send(FrameType.Data, batch, index, part);
        return link.drained?.();
      },
      credit: payload => {
        link.send(FrameType.Credit, batch, index, payload);
      },
    });
    link.send(FrameType.TransferStart, batch, index);
  }

  /** Tells the worker thread that this side is over. */
  report(report: TransferReport): void {
    this.#link.send(FrameType.DataEnd, this.#batch, this.index, encode(report));
  }

  take(type: number, payload: Uint8Array): void {
    if (type === FrameType.Data) this.side.data(payload);
    else if (type === FrameType.Credit) this.side.credit(payload);
    else this.side.farEnd(decode(payload) as TransferReport);
  }

  /** No report is waited for any more. */
  close(): void {
    this.side.farEnd({ isCancelled: true });
  }
}
