/**
 * Which call runs when.
 *
 * Calls of one batch run in the order of their indexes; batches run side by side. Every call is answered once, up to
 * and including the first that fails: that ends its batch, and the rest of it is dropped silently. A cancelled call is
 * always answered as cancelled, even if it finished meanwhile: the canceller counts on the batch being over.
 */
import { decodeCall, EVERY_CALL, FrameType, type CallHead, type Output } from '../wire/messages.js';
import { Cancelled } from './call-context.js';
import { failed, type Outcome } from './outcome.js';
import { RunningCall } from './running-call.js';

/** Runs one call. Always resolves, with a Cancelled when a cancel ended it. */
export type Execute = (
  batch: number,
  index: number,
  call: CallHead,
  running: RunningCall,
) => Promise<Outcome | Cancelled>;

export interface BatchesOptions {
  readonly execute: Execute;
  /** Sends an answer. Resolves when the next call may start. */
  readonly answer: (batch: number, index: number, outcome: Outcome) => Promise<void>;
  /** How long a cancelled call may take to end, ms; then it is answered with its end unknown. */
  readonly cancelWaitMs: () => number;
}

interface Batch {
  readonly queue: { readonly index: number; readonly call: CallHead }[];
  /** Cancelled before their turn; may hold EVERY_CALL. */
  readonly cancelled: Set<number>;
  busy: boolean;
  running: { readonly index: number; readonly call: RunningCall; cancel(): void } | undefined;
  answered: number;
  over: boolean;
}

/** Idle batches remembered, oldest forgotten first, so that a late frame for one is recognised. */
const REMEMBERED = 1000;

export class Batches {
  readonly #options: BatchesOptions;
  readonly #batches = new Map<number, Batch>();
  readonly #loops = new Set<Promise<void>>();
  #stopped = false;

  constructor(options: BatchesOptions) {
    this.#options = options;
  }

  /** Copies `payload`, which is a Call frame's. */
  add(number: number, index: number, payload: Uint8Array): void {
    const batch = this.#batch(number);
    if (this.#stopped || batch.over) return;
    batch.queue.push({ index, call: decodeCall(payload.slice()) });
    if (batch.busy) return;
    batch.busy = true;
    const loop = this.#run(number, batch).finally(() => {
      batch.busy = false;
      this.#loops.delete(loop);
    });
    this.#loops.add(loop);
  }

  /** Ends one call, or with EVERY_CALL the whole batch. */
  cancel(number: number, index: number): void {
    const batch = this.#batch(number);
    if (this.#stopped || batch.over || index <= batch.answered) return;
    const { running } = batch;
    if (running !== undefined && (running.index === index || index === EVERY_CALL)) running.cancel();
    else batch.cancelled.add(index);
  }

  /** What the command of the running call has printed. */
  printed(number: number): Output | undefined {
    return this.#batches.get(number)?.running?.call.readPrinted?.();
  }

  /** Starts nothing more and ends what runs. Resolves when that has ended or its time is over. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const batch of this.#batches.values()) {
      batch.queue.length = 0;
      batch.running?.cancel();
    }
    await Promise.all(this.#loops);
  }

  #batch(number: number): Batch {
    let batch = this.#batches.get(number);
    if (batch === undefined) {
      this.#forget();
      batch = { queue: [], cancelled: new Set(), busy: false, running: undefined, answered: -1, over: false };
      this.#batches.set(number, batch);
    }
    return batch;
  }

  #forget(): void {
    if (this.#batches.size < REMEMBERED) return;
    for (const [number, batch] of this.#batches) {
      if (batch.busy) continue;
      this.#batches.delete(number);
      return;
    }
  }

  async #run(number: number, batch: Batch): Promise<void> {
    for (let next = batch.queue.shift(); next !== undefined; next = batch.queue.shift()) {
      const { index, call } = next;
      const outcome = await this.#outcome(number, batch, index, call);
      batch.answered = index;
      if (outcome.type === FrameType.Failed) {
        batch.over = true;
        batch.queue.length = 0;
        batch.cancelled.clear();
      }
      await this.#options.answer(number, index, outcome);
    }
  }

  async #outcome(number: number, batch: Batch, index: number, call: CallHead): Promise<Outcome> {
    if (batch.cancelled.has(EVERY_CALL) || batch.cancelled.has(index)) return cancelled(call, true);
    const running = new RunningCall();
    let waiting: NodeJS.Timeout | undefined;
    const gaveUp = new Promise<Cancelled>(resolve => {
      const cancel = (): void => {
        if (running.isCancelled) return;
        waiting = setTimeout(resolve, this.#options.cancelWaitMs(), new Cancelled(false));
        running.cancel();
      };
      batch.running = { index, call: running, cancel };
    });
    try {
      const ended = await Promise.race([this.#options.execute(number, index, call, running), gaveUp]);
      const isKilled = ended instanceof Cancelled ? ended.killed : true;
      if (ended instanceof Cancelled || running.isCancelled) return cancelled(call, isKilled, running.readPrinted?.());
      return ended;
    } finally {
      clearTimeout(waiting);
      batch.running = undefined;
    }
  }
}

function cancelled(call: CallHead, killed: boolean, output?: Output): Outcome {
  const error = Object.assign(new Error(`${call.method} was cancelled`), { code: 'ERR_CALL_CANCELLED' });
  return failed('cancelled', error, { killed, output });
}
