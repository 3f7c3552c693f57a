/** The drone's peer of a transfer, as its frames reach it. */
import { decode, encode } from '../wire/codec/codec.js';
import type { FileSystem } from '../transfer/file-system.js';
import type { TransferRequest } from '../transfer/request.js';
import { TransferPeer } from '../transfer/peer.js';
import { FrameType, type TransferReport } from '../wire/messages.js';
import type { AgentLink, AgentStream } from './agent-link.js';

export class TransferStream implements AgentStream {
  readonly index: number;
  readonly peer: TransferPeer;
  readonly #link: AgentLink;
  readonly #batch: number;

  /** The TransferStart frame makes the worker thread start its peer. */
  constructor(link: AgentLink, batch: number, index: number, request: TransferRequest, files?: FileSystem) {
    this.index = index;
    this.#link = link;
    this.#batch = batch;
    const own = {
      data: (part: Uint8Array) => {
        link.send(FrameType.Data, batch, index, part);
        return link.drained?.();
      },
      credit: (payload: Uint8Array) => link.send(FrameType.Credit, batch, index, payload),
    };
    this.peer = new TransferPeer(request, 'drone', own, { files });
    link.send(FrameType.TransferStart, batch, index);
  }

  report(report: TransferReport): void {
    this.#link.send(FrameType.DataEnd, this.#batch, this.index, encode(report));
  }

  take(type: number, payload: Uint8Array): void {
    if (type === FrameType.Data) this.peer.data(payload);
    else if (type === FrameType.Credit) this.peer.credit(payload);
    else this.peer.remoteEnded(decode(payload) as TransferReport);
  }

  close(): void {
    this.peer.remoteEnded({ isCancelled: true });
  }
}
