/** Transfers that run in this agent, and which of them a frame from the worker thread is for. */
import { decode, encode } from '../wire/codec/codec.js';
import type { TransferOrder } from '../transfer/order.js';
import { TransferSide } from '../transfer/side.js';
import { FrameType, type TransferReport } from '../wire/messages.js';
import type { AgentLink } from './agent-link.js';

/** The drone's side of a call's transfer. */
export interface Transfer {
  readonly side: TransferSide;
  /** Tells the worker thread that this side is over. */
  report(report: TransferReport): void;
  /** Frames for it are left out from now on. */
  close(): void;
}

export class Transfers {
  readonly #link: AgentLink;
  readonly #running = new Map<string, TransferSide>();

  constructor(link: AgentLink) {
    this.#link = link;
  }

  /** The worker thread starts its side, too. */
  open(batch: number, index: number, order: TransferOrder): Transfer {
    const link = this.#link;
    const side = new TransferSide(order, 'drone', {
      data: part => {
        link.send(FrameType.TransferData, batch, index, part);
        return link.drained?.();
      },
      credit: payload => {
        link.send(FrameType.TransferCredit, batch, index, payload);
      },
    });
    const key = keyOf(batch, index);
    this.#running.set(key, side);
    link.send(FrameType.TransferStart, batch, index);
    return {
      side,
      report: report => {
        link.send(FrameType.TransferEnd, batch, index, encode(report));
      },
      close: () => {
        this.#running.delete(key);
      },
    };
  }

  /** A frame for a transfer that is over was on its way when it ended, and is left out. */
  take(type: number, batch: number, index: number, payload: Uint8Array): void {
    const side = this.#running.get(keyOf(batch, index));
    if (type === FrameType.Data) side?.data(payload);
    else if (type === FrameType.Credit) side?.credit(payload);
    else side?.farEnd(decode(payload) as TransferReport);
  }

  /** The link is gone: nobody reports any more. */
  close(): void {
    for (const side of this.#running.values()) side.farEnd({ isCancelled: true });
  }
}

function keyOf(batch: number, index: number): string {
  return `${String(batch)}:${String(index)}`;
}
