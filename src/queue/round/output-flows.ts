/**
 * The output of a batch's calls, over all of its tries: what a call had put out when it answered is delivered also when
 * the batch is then tried again for the sake of a later one.
 */
import type { QueuedCall } from '../drone/call.js';
import { OutputFlow } from './output-flow.js';

export interface OutputFlowsEvents {
  /** The drone may send so much more of the call's output. */
  credit(call: QueuedCall, bytes: number): void;
  /** The call's `onOutput` threw or rejected. */
  failed(call: QueuedCall, reason: unknown): void;
  /** An `onOutput` is done with all that has come. */
  idle(): void;
}

export class OutputFlows {
  readonly #events: OutputFlowsEvents;
  readonly #flows = new Map<QueuedCall, OutputFlow>();
  /** What an `onOutput` is still at, from an earlier try of its call. */
  readonly #earlier = new Map<QueuedCall, Promise<void>>();

  constructor(events: OutputFlowsEvents) {
    this.#events = events;
  }

  get isBusy(): boolean {
    return [...this.#flows.values()].some(flow => flow.isBusy);
  }

  /** Takes the payload of an Output frame. Throws ProtocolError when it makes no sense. */
  take(call: QueuedCall, payload: Uint8Array): void {
    let flow = this.#flows.get(call);
    if (flow === undefined) {
      flow = new OutputFlow(
        call,
        {
          credit: bytes => {
            this.#events.credit(call, bytes);
          },
          failed: reason => {
            this.#events.failed(call, reason);
          },
          idle: () => {
            this.#events.idle();
          },
        },
        this.#earlier.get(call),
      );
      this.#flows.set(call, flow);
    }
    flow.take(payload);
  }

  /** The call has answered. */
  complete(call: QueuedCall): void {
    this.#flows.get(call)?.complete();
  }

  /** Nothing more of the call's output is given to anybody. */
  close(call: QueuedCall): void {
    this.#flows.get(call)?.close();
  }

  /** A try of the batch has failed: what comes of calls that have not answered begins anew with the next. */
  endTry(): void {
    for (const [call, flow] of this.#flows) {
      if (flow.isComplete) continue;
      if (flow.pending) this.#earlier.set(call, flow.pending);
      flow.close();
      this.#flows.delete(call);
    }
  }

  /** The batch is over. */
  closeAll(): void {
    for (const flow of this.#flows.values()) flow.close();
  }
}
