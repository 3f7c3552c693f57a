/**
 * Tracks all batches that are out and alone decides how each one ends: by its last answer, a failure, the death of its
 * thread, or, when it was stopped and its thread does not react, by the clock.
 */
import { onAbort } from '../../wait/abort.js';
import { Batch, type Stop } from './batch.js';
import { MAX_TIMER_MS, systemClock } from '../../wait/clock.js';
import { KillCall, type QueuedCall } from '../drone/call.js';
import { decode } from '../wire/codec/codec.js';
import { encodeCredit } from '../wire/credits.js';
import { readF64 } from '../wire/frames.js';
import type { AnyDrone, Workload } from '../drone/drone.js';
import { endpointOf } from '../drone/drone.js';
import type { DroneError } from '../drone/drone-error.js';
import type { DroneErrorKind } from '../drone/error-kinds.js';
import { checkFailedReport, survivingPids } from './reply-reader.js';
import { OutputFlows } from './output-flows.js';
import type { Reports } from './reports.js';
import { retryDelayMs } from './retry.js';
import type { QueueSettings } from '../queue-options.js';
import type { Outgoing, ThreadListener, Threads } from './threads.js';
import type { Place } from '../thread/runner.js';
import { type DownReport, EVERY_CALL, FrameType, PHASES, UNLESS_SENT } from '../wire/messages.js';

/** Wait for a stopped batch after the kill grace; longer than the thread's own margin, which comes first. */
const STOP_MARGIN_MS = 5000;

export type LedgerSettings = Pick<QueueSettings, 'callTimeoutMs' | 'killGraceMs' | 'retry'>;

interface Entry {
  readonly batch: Batch;
  place: Place | undefined;
  /** The output of its calls, if they have any. */
  flows: OutputFlows | undefined;
  readonly release: (() => void)[];
}

export class Ledger implements ThreadListener {
  readonly #settings: LedgerSettings;
  readonly #threads: Threads;
  readonly #reports: Reports;
  readonly #entries = new Map<number, Entry>();
  #keepAlive: NodeJS.Timeout | undefined;

  constructor(settings: LedgerSettings, threads: Threads, reports: Reports) {
    this.#settings = settings;
    this.#threads = threads;
    this.#reports = reports;
    threads.listen(this);
  }

  /** The thread of a batch; -1 for unknown, 0 for the main thread. */
  threadIdOf(batch: Batch): number {
    return this.#entries.get(batch.id)?.place?.threadId ?? -1;
  }

  /** Opens a drone's batch, which runs once `start` gets it. `giveBack` receives the calls that may run later. */
  open(drone: AnyDrone, workload: Workload, giveBack: (workload: Workload) => void): Batch {
    const batch = new Batch(this.#threads.nextId(), drone, workload, giveBack);
    this.#book(batch);
    return batch;
  }

  #book(batch: Batch, flows?: OutputFlows): Entry {
    const entry: Entry = { batch, place: undefined, flows, release: [] };
    this.#entries.set(batch.id, entry);
    // The process must not end in mid-round.
    this.#keepAlive ??= setInterval(() => undefined, MAX_TIMER_MS);
    return entry;
  }

  /** Ends the unstarted batch of a kicked-out drone. */
  refuse(batch: Batch, cause: DroneError): void {
    this.#abandon(batch, 'kicked-out', cause);
  }

  /** Hands batches to their threads, except settled ones. */
  start(batches: readonly Batch[]): void {
    const unsettled = batches.filter(batch => !batch.settled);
    const outgoing = unsettled.map((batch): Outgoing => {
      return {
        endpoint: endpointOf(batch.drone),
        write: writer => batch.write(writer, this.#settings.callTimeoutMs),
      };
    });
    for (const [at, placement] of this.#threads.start(outgoing).entries()) {
      const batch = unsettled[at];
      const entry = batch && this.#entries.get(batch.id);
      if (!entry) continue;
      if ('refused' in placement) {
        this.#abandon(batch, 'worker-lost', placement.refused);
        continue;
      }
      entry.place = placement;
      // A retry is watched already.
      if (batch.tries === 1) this.#watchSignals(entry);
    }
  }

  /** Ends a batch early. It settles soon, at most after `withinMs`: the kill grace and a margin. */
  stop(batch: Batch, stop: Stop, withinMs = this.#settings.killGraceMs + STOP_MARGIN_MS): void {
    const entry = this.#entries.get(batch.id);
    if (!entry) return;
    batch.addStop(stop);
    if (entry.place === undefined) {
      this.#abandon(batch, stop.kind, stop.reason);
      return;
    }
    if (batch.isAnswered) {
      this.#settleAnswered(entry);
      return;
    }
    entry.place.send(FrameType.Cancel, batch.id, EVERY_CALL);
    const force = systemClock.setTimer(withinMs, () => {
      // What has come meanwhile is read before: whether the batch was sent may be among it.
      setImmediate(() => {
        if (batch.settled || this.#entries.get(batch.id) !== entry) return;
        this.#abandon(batch, 'lost', new Error('stopped, and neither agent nor thread has reacted'), true);
      });
    });
    entry.release.push(() => force.cancel());
  }

  /** Ends a batch of which nothing was sent to the drone yet; others go on, but are not tried again. */
  halt(batch: Batch, stop: Stop): void {
    const entry = this.#entries.get(batch.id);
    if (!entry) return;
    batch.halt(stop);
    if (entry.place !== undefined) entry.place.send(FrameType.Cancel, batch.id, UNLESS_SENT);
    else if (batch.lastError === undefined) this.#abandon(batch, stop.kind, stop.reason);
    else this.#end(entry);
  }

  take(type: number, id: number, index: number, payload: Uint8Array): boolean {
    const entry = this.#entries.get(id);
    if (!entry) return false;
    try {
      this.#takeAnswer(entry, type, index, payload);
    } catch (error) {
      // A valid frame with invalid contents: nothing more of this batch is trusted.
      entry.place?.send(FrameType.Cancel, id, EVERY_CALL);
      this.#abandon(entry.batch, 'protocol', error);
    }
    return true;
  }

  /** Throws when the contents make no sense. */
  #takeAnswer(entry: Entry, type: number, index: number, payload: Uint8Array): void {
    const { batch } = entry;
    switch (type) {
      case FrameType.Phase:
        batch.enter(PHASES[index] ?? batch.phase);
        return;
      case FrameType.Value:
        this.#takeValue(entry, decode(payload));
        return;
      case FrameType.Output:
        this.#takeOutput(entry, index, payload);
        return;
      case FrameType.Progress:
        this.#takeProgress(batch, batch.callAt(index), payload);
        return;
      case FrameType.Warning:
        this.#reports.droneWarning(batch.drone.hostname, String(decode(payload)));
        return;
      case FrameType.TimedOut:
        batch.timeOut(index, this.#settings.callTimeoutMs);
        return;
      case FrameType.Failed:
        batch.failAt(index, checkFailedReport(decode(payload)));
        this.#end(entry);
        return;
      case FrameType.Down:
        batch.failDown(decode(payload) as DownReport, index === 1);
        this.#end(entry);
        return;
    }
  }

  #takeValue(entry: Entry, value: unknown): void {
    const { batch } = entry;
    const call = batch.answer(value);
    if (call instanceof KillCall) {
      const { hostname } = batch.drone;
      for (const pid of survivingPids(value))
        this.#reports.droneWarning(hostname, `process ${pid} could not be killed`);
    } else if (call) {
      entry.flows?.complete(call);
      call.reader?.end();
    }
    if (batch.isAnswered) this.#settleAnswered(entry);
  }

  /** All calls have answered; an `onOutput` may still run. */
  #settleAnswered(entry: Entry): void {
    const { batch } = entry;
    const isBusy = entry.flows?.isBusy === true;
    if (batch.stop !== undefined && (isBusy || batch.stop.kind === 'callback')) {
      batch.failStopped(batch.stop);
      this.#end(entry);
    } else if (!isBusy) {
      this.#close(entry);
      batch.succeed();
    }
  }

  #takeOutput(entry: Entry, index: number, payload: Uint8Array): void {
    const { batch } = entry;
    const call = batch.callAt(index);
    if (call?.streams !== true || call.options.signal?.aborted === true) return;
    // A stopped batch's output is dropped, except for a timed-out call, which may still answer in time.
    if (batch.stop !== undefined && batch.stop.call !== call) return;
    entry.flows ??= this.#flowsOf(batch);
    entry.flows.take(call, payload);
  }

  #takeProgress(batch: Batch, call: QueuedCall | undefined, payload: Uint8Array): void {
    if (call === undefined) return;
    const totalBytes = readF64(payload, 8);
    const progress = { bytes: readF64(payload, 0), totalBytes: Number.isNaN(totalBytes) ? undefined : totalBytes };
    this.#reports.fileProgress(batch.drone.hostname, call, progress);
    const { onProgress, signal } = call.options;
    if (onProgress === undefined || batch.stop !== undefined || signal?.aborted === true) return;
    const fail = (reason: unknown): void => this.stop(batch, { kind: 'callback', reason, call });
    try {
      const given: unknown = onProgress(progress);
      if (given instanceof Promise) given.catch(fail);
    } catch (error) {
      fail(error);
    }
  }

  #flowsOf(batch: Batch): OutputFlows {
    return new OutputFlows({
      credit: (call, bytes) => {
        const place = this.#entries.get(batch.id)?.place;
        place?.send(FrameType.Credit, batch.id, batch.indexOf(call), encodeCredit(bytes));
      },
      failed: (call, reason) => this.stop(batch, { kind: 'callback', reason, call }),
      idle: () => {
        const entry = this.#entries.get(batch.id);
        if (entry && batch.isAnswered) this.#settleAnswered(entry);
      },
    });
  }

  /** A call's own signal ends the call, and its batch there. */
  #watchSignals(entry: Entry): void {
    for (const call of entry.batch.unanswered) {
      const { signal } = call.options;
      if (signal === undefined || signal.aborted) continue;
      entry.release.push(onAbort(signal, () => this.#cancelCall(entry, call, signal)));
    }
  }

  #cancelCall(entry: Entry, call: QueuedCall, signal: AbortSignal): void {
    const { batch } = entry;
    batch.cancelCall(call, signal.reason);
    entry.flows?.close(call);
    // It waits for a retry, which is off now.
    if (entry.place === undefined) this.#end(entry);
    else if (batch.isAnswered) this.#settleAnswered(entry);
    else entry.place.send(FrameType.Cancel, batch.id, batch.indexOf(call));
  }

  lose(place: Place, cause: unknown): void {
    for (const entry of [...this.#entries.values()]) {
      // An answered batch waits for the caller's function only.
      if (entry.place === place && !entry.batch.isAnswered) this.#abandon(entry.batch, 'worker-lost', cause);
    }
  }

  #abandon(batch: Batch, kind: DroneErrorKind, cause: unknown, mayYetBeSent = false): void {
    const entry = this.#entries.get(batch.id);
    if (!entry) return;
    batch.abandon(kind, cause, mayYetBeSent);
    this.#end(entry);
  }

  /** A try of a batch has failed, and with it the batch, unless it is retried. */
  #end(entry: Entry): void {
    const { batch } = entry;
    this.#close(entry);
    const error = batch.lastError;
    if (error !== undefined && batch.mayBeTriedAgain) {
      const delayMs = retryDelayMs(this.#settings.retry, error, batch.tries, this.#reports.log);
      if (delayMs !== undefined) return this.#tryAgain(entry, error, delayMs);
    }
    entry.flows?.closeAll();
    batch.settle();
  }

  #tryAgain({ batch, flows }: Entry, error: DroneError, delayMs: number): void {
    this.#reports.retrying(batch, error, delayMs);
    batch.tryAgain(this.#threads.nextId());
    flows?.endTry();
    const entry = this.#book(batch, flows);
    const timer = systemClock.setTimer(delayMs, () => this.start([batch]));
    entry.release.push(() => timer.cancel());
    this.#watchSignals(entry);
  }

  #close(entry: Entry): void {
    this.#entries.delete(entry.batch.id);
    for (const release of entry.release) release();
    if (this.#entries.size === 0) {
      clearInterval(this.#keepAlive);
      this.#keepAlive = undefined;
    }
  }
}
