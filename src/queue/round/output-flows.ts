/**
 * The output of a batch's calls, over all its tries: output of a call that has answered is delivered even when the queue
 * then retries the batch because of a later call.
 */
import type { QueuedCall } from '../drone/call.js';
import { OutputFlow, type OutputFlowEvents } from './output-flow.js';

export class OutputFlows {
  readonly #events: OutputFlowEvents;
  readonly #flows = new Map<QueuedCall, OutputFlow>();
  /** Unfinished runs of `onOutput` from an earlier try of its call. */
  readonly #earlier = new Map<QueuedCall, Promise<void>>();

  constructor(events: OutputFlowEvents) {
    this.#events = events;
  }

  get isBusy(): boolean {
    return [...this.#flows.values()].some(flow => flow.isBusy);
  }

  /** Takes the payload of an Output frame. Throws a ProtocolError when it makes no sense. */
  take(call: QueuedCall, payload: Uint8Array): void {
    let flow = this.#flows.get(call);
    if (flow === undefined) {
      flow = new OutputFlow(call, this.#events, this.#earlier.get(call));
      this.#flows.set(call, flow);
    }
    flow.take(payload);
  }

  complete(call: QueuedCall): void {
    this.#flows.get(call)?.complete();
  }

  /** Drops all further output of the call. */
  close(call: QueuedCall): void {
    this.#flows.get(call)?.close();
  }

  /** A try of the batch has failed: the output of unanswered calls starts again with the next try. */
  endTry(): void {
    for (const [call, flow] of this.#flows) {
      if (flow.isComplete) continue;
      if (flow.pending) this.#earlier.set(call, flow.pending);
      flow.close();
      this.#flows.delete(call);
    }
  }

  closeAll(): void {
    for (const flow of this.#flows.values()) flow.close();
  }
}
