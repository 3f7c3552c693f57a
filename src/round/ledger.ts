/**
 * The main thread's book of all batches that are out: it alone decides how each one ended. A batch is settled by its
 * last answer, by a failure, by the death of its thread, or, when it was stopped and nobody reacts, by the clock.
 */
import { setMaxListeners } from 'node:events';
import { inspect } from 'node:util';
import { Answers } from './answers.js';
import { Batch, type Stop } from './batch.js';
import type { QueuedCall } from '../drone/call.js';
import { decode } from '../codec.js';
import { encodeCredit } from '../credits.js';
import type { AnyDrone, Workload } from '../drone/drone.js';
import { endpointOf } from '../drone/drone.js';
import type { DroneErrorKind } from '../drone-error.js';
import { events, publish } from '../events.js';
import type { Log } from '../log.js';
import { OutputFlow } from './output-flow.js';
import { RelaySwitch } from './relay-switch.js';
import { LeftBehind } from './left-behind.js';
import type { Outgoing, Place, Runner, RunnerEvents } from '../runner.js';
import { FrameReader, ProtocolError, readF64 } from '../frames.js';
import { type DownReport, EVERY_CALL, type FailedReport, FrameType, type LinkReport, PHASES } from '../wire.js';

/** After the kill grace, how long a stopped batch is waited for. Longer than the thread's own margin, which comes first. */
const STOP_MARGIN_MS = 5000;

export interface LedgerOptions {
  readonly queueName: string;
  readonly callTimeoutMs: number;
  readonly killGraceMs: number;
  readonly log: Log;
  /** A worker thread died. */
  threadLost(): void;
}

interface Entry {
  readonly batch: Batch;
  place: Place | undefined;
  /** By index on the wire, of calls that have put out something. */
  readonly flows: Map<number, OutputFlow>;
  readonly release: (() => void)[];
}

export class Ledger {
  /** What a close could not let go. */
  readonly leftBehind = new LeftBehind();
  readonly #options: LedgerOptions;
  readonly #runner: Runner;
  readonly #entries = new Map<number, Entry>();
  readonly #relays = new RelaySwitch();
  readonly #answers = new Answers();
  #lastBatch = 0;
  #keepAlive: NodeJS.Timeout | undefined;

  constructor(options: LedgerOptions, makeRunner: (events: RunnerEvents) => Runner) {
    this.#options = options;
    this.#runner = makeRunner({
      frames: (place, bytes) => {
        this.#readerOf(place).push(bytes);
      },
      lost: (place, cause) => {
        this.#lose(place, cause);
      },
    });
  }

  get runner(): Runner {
    return this.#runner;
  }

  /** The thread that a batch is with; -1 when that is not known, 0 for the main thread. */
  threadIdOf(batch: Batch): number {
    return this.#entries.get(batch.id)?.place?.threadId ?? -1;
  }

  /**
   * Books a drone's batch. It is out from now on, and runs once `start` gets it. `giveBack` gets what did not run and may
   * run another time.
   */
  open(drone: AnyDrone, workload: Workload, giveBack: (workload: Workload) => void): Batch {
    this.#lastBatch = (this.#lastBatch % 0xffff_ffff) + 1;
    const batch = new Batch(this.#lastBatch, drone, workload, giveBack);
    this.#entries.set(batch.id, { batch, place: undefined, flows: new Map(), release: [] });
    // Whatever else the event loop still holds, a process must not end in mid-round.
    this.#keepAlive ??= setInterval(() => undefined, 2 ** 30);
    return batch;
  }

  /** Hands batches to the runner; those settled in the meantime are left out. */
  start(batches: readonly Batch[]): void {
    const unsettled = batches.filter(batch => !batch.settled);
    const outgoing = unsettled.map((batch): Outgoing => {
      const endpoint = endpointOf(batch.drone);
      this.#relays.know(endpoint);
      this.#answers.know(endpoint);
      return {
        route: endpoint.route,
        write: writer => {
          batch.write(writer, this.#options.callTimeoutMs);
        },
      };
    });
    for (const [at, placement] of this.#runner.start(outgoing).entries()) {
      const batch = unsettled[at];
      const entry = batch && this.#entries.get(batch.id);
      if (!entry) continue;
      if ('refused' in placement) {
        this.#abandon(batch, 'worker-lost', placement.refused);
        continue;
      }
      entry.place = placement;
      this.#watchSignals(entry);
    }
  }

  /** Ends a batch before its time. It settles soon, at the latest after the kill grace and a margin. */
  stop(batch: Batch, stop: Stop): void {
    const entry = this.#entries.get(batch.id);
    if (!entry) return;
    batch.stop ??= stop;
    if (entry.place === undefined) {
      this.#abandon(batch, stop.kind, stop.reason);
      return;
    }
    if (batch.answered) {
      this.#settleAnswered(entry);
      return;
    }
    entry.place.send(FrameType.Cancel, batch.id, EVERY_CALL);
    this.#forceEnd(entry);
  }

  #forceEnd(entry: Entry): void {
    const { batch } = entry;
    const force = setTimeout(() => {
      this.#abandon(batch, 'lost', new Error('stopped, and neither agent nor thread has reacted'));
    }, this.#options.killGraceMs + STOP_MARGIN_MS);
    entry.release.push(() => {
      clearTimeout(force);
    });
  }

  readonly #readers = new WeakMap<Place, FrameReader>();

  #readerOf(place: Place): FrameReader {
    let reader = this.#readers.get(place);
    if (reader === undefined) {
      reader = new FrameReader((type, id, index, payload) => {
        this.#take(place, type, id, index, payload);
      });
      this.#readers.set(place, reader);
    }
    return reader;
  }

  #take(place: Place, type: number, id: number, index: number, payload: Uint8Array): void {
    switch (type) {
      case FrameType.RelayOpen:
      case FrameType.RelayData:
      case FrameType.RelayEnd:
        this.#relays.take(place, type, id, payload);
        return;
      case FrameType.Ask:
        void this.#answers.take(place, id, payload);
        return;
      case FrameType.Link:
        this.#tellLink(place, decode(payload) as LinkReport);
        return;
      case FrameType.Pong:
        return;
    }
    const entry = this.#entries.get(id);
    // Late words of a batch that the clock has settled.
    if (!entry) return;
    try {
      this.#takeAnswer(entry, type, index, payload);
    } catch (error) {
      // The frame was one of ours, its contents are not: whoever wrote them is not believed any further in this batch.
      entry.place?.send(FrameType.Cancel, id, EVERY_CALL);
      this.#abandon(entry.batch, 'protocol', error);
    }
  }

  /** Throws when the contents make no sense. */
  #takeAnswer(entry: Entry, type: number, index: number, payload: Uint8Array): void {
    const { batch } = entry;
    switch (type) {
      case FrameType.Phase:
        batch.enter(PHASES[index] ?? batch.phase);
        return;
      case FrameType.Value:
        this.#takeValue(entry, index, decode(payload));
        return;
      case FrameType.Output:
        this.#takeOutput(entry, index, payload);
        return;
      case FrameType.Progress:
        this.#tellProgress(batch, index, payload);
        return;
      case FrameType.Warning:
        this.#warn(batch.drone.hostname, String(decode(payload)));
        return;
      case FrameType.TimedOut: {
        const call = batch.callAt(index);
        batch.stop ??= { kind: 'timeout', reason: timeoutError(call, this.#options.callTimeoutMs), call };
        return;
      }
      case FrameType.Failed:
        batch.failAt(index, checkFailedReport(decode(payload)));
        this.#close(entry);
        return;
      case FrameType.Down:
        batch.failDown(decode(payload) as DownReport, index === 1);
        this.#close(entry);
        return;
    }
  }

  #takeValue(entry: Entry, index: number, value: unknown): void {
    const { batch } = entry;
    if (batch.isKill(index)) {
      batch.killsAnswered = true;
      for (const pid of survivors(value)) this.#warn(batch.drone.hostname, `process ${pid} could not be killed`);
    } else {
      // It was on its way already when its time was up.
      if (batch.stop?.kind === 'timeout' && batch.stop.call === batch.callAt(index)) batch.stop = undefined;
      entry.flows.get(index)?.complete();
      batch.callAt(index)?.reader?.end();
      batch.values.push(value);
      batch.phaseSinceMs = performance.now();
    }
    if (batch.values.length === batch.workload.calls.length) this.#settleAnswered(entry);
  }

  /** All calls have answered; a caller's function may still be at their output. */
  #settleAnswered(entry: Entry): void {
    const { batch, flows } = entry;
    const isBusy = [...flows.values()].some(flow => flow.isBusy);
    if (batch.stop !== undefined && (isBusy || batch.stop.kind === 'callback')) batch.failStopped(batch.stop);
    else if (isBusy) return;
    else batch.succeed();
    this.#close(entry);
  }

  #takeOutput(entry: Entry, index: number, payload: Uint8Array): void {
    const { batch } = entry;
    const call = batch.callAt(index);
    if (call?.streams !== true || call.options.signal?.aborted === true) return;
    // What a stopped batch still writes is for nobody; but a call whose time was up may yet turn out to have been in time.
    if (batch.stop !== undefined && batch.stop.call !== call) return;
    let flow = entry.flows.get(index);
    if (flow === undefined) {
      flow = new OutputFlow(call, {
        credit: bytes => entry.place?.send(FrameType.Credit, batch.id, index, encodeCredit(bytes)),
        failed: reason => {
          this.stop(batch, { kind: 'callback', reason, call });
        },
        idle: () => {
          if (batch.answered) this.#settleAnswered(entry);
        },
      });
      entry.flows.set(index, flow);
    }
    flow.take(payload);
  }

  /** Calls may bring a signal of their own; it ends the call, and its batch there. */
  #watchSignals(entry: Entry): void {
    for (const call of entry.batch.workload.calls) {
      const { signal } = call.options;
      if (signal === undefined || signal.aborted) continue;
      const cancel = (): void => {
        this.#cancelCall(entry, call, signal);
      };
      // Calls may share a signal; a listener per call is no leak, as each goes with its batch.
      setMaxListeners(0, signal);
      signal.addEventListener('abort', cancel, { once: true });
      entry.release.push(() => {
        signal.removeEventListener('abort', cancel);
      });
    }
  }

  #cancelCall(entry: Entry, call: QueuedCall, signal: AbortSignal): void {
    const { batch } = entry;
    batch.cancelCall(call, signal.reason);
    const index = batch.indexOf(call);
    entry.flows.get(index)?.close();
    if (batch.answered) this.#settleAnswered(entry);
    else entry.place?.send(FrameType.Cancel, batch.id, index);
  }

  #lose(place: Place, cause: unknown): void {
    this.#relays.drop(place);
    for (const entry of [...this.#entries.values()]) {
      // Of one that has answered only the caller's function is waited for.
      if (entry.place === place && !entry.batch.answered) this.#abandon(entry.batch, 'worker-lost', cause);
    }
    const { threadId } = place;
    this.#options.log.error(`worker thread ${String(threadId)} was lost: ${String(cause)}`, { threadId, error: cause });
    this.#options.threadLost();
    publish(events.threadLost, () => ({ queue: this.#options.queueName, threadId, cause }));
  }

  #abandon(batch: Batch, kind: DroneErrorKind, cause: unknown): void {
    const entry = this.#entries.get(batch.id);
    batch.abandon(kind, cause);
    if (entry) this.#close(entry);
  }

  #close(entry: Entry): void {
    this.#entries.delete(entry.batch.id);
    for (const flow of entry.flows.values()) flow.close();
    for (const release of entry.release) release();
    if (this.#entries.size === 0) {
      clearInterval(this.#keepAlive);
      this.#keepAlive = undefined;
    }
  }

  #tellLink(place: Place, report: LinkReport): void {
    const queue = this.#options.queueName;
    const { state, message, ...rest } = report;
    if (state === 'open') publish(events.linkOpen, () => ({ queue, ...rest }));
    else if (state === 'closed') {
      this.leftBehind.noteLink(place, report);
      publish(events.linkClose, () => ({ queue, ...rest }));
    } else this.#warn(report.hostname, message ?? '');
  }

  #tellProgress(batch: Batch, index: number, payload: Uint8Array): void {
    const call = batch.callAt(index);
    if (call === undefined) return;
    const { hostname } = batch.drone;
    const totalBytes = readF64(payload, 8);
    publish(events.fileProgress, () => ({
      queue: this.#options.queueName,
      hostname,
      call,
      bytes: readF64(payload, 0),
      totalBytes: Number.isNaN(totalBytes) ? undefined : totalBytes,
    }));
  }

  #warn(hostname: string, message: string): void {
    this.#options.log.warn(`Warning from drone ${hostname}: ${message}`, { hostname });
    publish(events.droneWarning, () => ({ queue: this.#options.queueName, hostname, message }));
  }
}

const FAILED_KINDS: readonly unknown[] = [
  'call',
  'not-cloneable',
  'cancelled',
  'lost',
] satisfies FailedReport['kind'][];

function checkFailedReport(report: unknown): FailedReport {
  const { kind } = (report ?? {}) as Partial<FailedReport>;
  if (!FAILED_KINDS.includes(kind)) throw new ProtocolError(`a call failed with unknown kind ${inspect(kind)}`);
  return report as FailedReport;
}

/** Pids that an answer to killProcesses tells are alive. A fake may answer anything, and mostly nothing. */
function survivors(answer: unknown): string[] {
  if (!Array.isArray(answer)) return [];
  const list = answer.filter(each => typeof each === 'object' && each !== null) as {
    pid?: unknown;
    killed?: unknown;
  }[];
  return list.filter(({ killed }) => killed === false).map(({ pid }) => String(pid));
}

function timeoutError(call: QueuedCall | undefined, callTimeoutMs: number): Error {
  const limitMs = call?.options.timeoutMs ?? callTimeoutMs;
  return Object.assign(new Error(`no answer within ${String(limitMs)} ms`), { code: 'ERR_CALL_TIMEOUT' });
}
