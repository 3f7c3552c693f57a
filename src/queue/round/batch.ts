/** One drone's batch as the main thread books it: what was asked, what came back, and how it ended. */
import { nameValues, type Call, type QueuedCall } from '../drone/call.js';
import { encode } from '../wire/codec/codec.js';
import { type AnyDrone, endpointOf, type Workload } from '../drone/drone.js';
import { DroneError } from '../drone/drone-error.js';
import { type DroneErrorKind, ERROR_KINDS } from '../drone/error-kinds.js';
import type { FrameWriter } from '../wire/frames.js';
import { type DownReport, type FailedReport, FrameType, type Phase, writeCall } from '../wire/messages.js';

/** Why the main thread ended a batch before its time. */
export interface Stop {
  readonly kind: 'timeout' | 'cancelled' | 'callback' | 'not-contacted';
  readonly reason: unknown;
  /** The call at fault, where it is one call's. */
  readonly call?: QueuedCall | undefined;
  /** It was the kills in front of the calls that took too long. */
  readonly isOfKills?: boolean | undefined;
}

/** How a try of a batch ended without all answers. */
interface Ending {
  readonly error: DroneError;
  /** What may run another time: did not run, or is idempotent and has no answer. */
  readonly back: Workload;
  /** Whether trying again could run nothing twice that must not be. */
  readonly isSafeToRetry: boolean;
}

/** A call of it, or the kills, ran out of time: nobody has stopped the batch itself. */
function isOwnTimeOut({ kind, call, isOfKills }: Stop): boolean {
  return kind === 'timeout' && (call !== undefined || isOfKills === true);
}

/** Code of the reason for which a round past its deadline is stopped. */
export const ROUND_DEADLINE = 'ERR_ROUND_DEADLINE';

/** Phases in which the batch is, or may be, with the drone. */
const SENT: readonly Phase[] = ['call', 'reply'];

export class Batch {
  readonly drone: AnyDrone;
  /** What the batch came from, to go back to the drone where it did not run. */
  readonly workload: Workload;
  /** Resolves when the batch is settled; never rejects. */
  readonly done: Promise<void>;
  /** Of the calls answered so far; another list for each try. */
  #values: unknown[] = [];
  /** On the wire; another for each try. */
  #id: number;
  /** In front of the calls of this try. */
  #kills: Workload['kills'];
  /** How many calls had answered before this try. */
  #firstCall = 0;
  /** Calls whose own signal was aborted, with its reason. */
  #cancelledCalls: Map<Call, unknown> | undefined;
  /** Calls without an answer that earlier tries may have run. */
  #ranBefore: Set<Call> | undefined;
  /** The first names the failure. */
  #stops: readonly Stop[] = [];
  #halt: Stop | undefined;
  #ending: Ending | undefined;
  phase: Phase = 'waiting';
  phaseSinceMs = performance.now();
  /** Connections tried. */
  attempts = 0;
  /** How often it was tried. */
  tries = 1;
  /** The kills in front of the calls have had their answer. */
  killsAnswered = false;
  settled = false;
  readonly #giveBack: (workload: Workload) => void;
  #resolve!: () => void;

  /** `giveBack` gets what did not run, where it may run another time. */
  constructor(id: number, drone: AnyDrone, workload: Workload, giveBack: (workload: Workload) => void) {
    this.#id = id;
    this.drone = drone;
    this.workload = workload;
    this.#kills = workload.kills;
    this.#giveBack = giveBack;
    this.done = new Promise(resolve => {
      this.#resolve = resolve;
    });
    nameValues(this.#values, workload.calls);
  }

  get id(): number {
    return this.#id;
  }

  /** Of the calls answered so far, also in earlier tries. */
  get values(): unknown[] {
    return this.#values;
  }

  /** How it ended; undefined while unsettled, and when all went well. */
  get failure(): DroneError | undefined {
    return this.settled ? this.#ending?.error : undefined;
  }

  /** Whether anything was done for it: its drone has answered, or was connected to. */
  get wasAsked(): boolean {
    return this.attempts > 0 || this.phase !== 'waiting' || this.values.length > 0;
  }

  /** How the try that was the last so far ended. */
  get lastError(): DroneError | undefined {
    return this.#ending?.error;
  }

  /** Of this try. */
  get calls(): readonly QueuedCall[] {
    return this.workload.calls.slice(this.#firstCall);
  }

  /** Kills ride as one call in front of the others, so indexes on the wire are off by this. */
  get #killCalls(): number {
    return this.#kills.length > 0 ? 1 : 0;
  }

  isKill(index: number): boolean {
    return index < this.#killCalls;
  }

  /** The call with this index on the wire; undefined for the kills. */
  callAt(index: number): QueuedCall | undefined {
    return this.isKill(index) ? undefined : this.workload.calls[index - this.#killCalls + this.#firstCall];
  }

  /** Index on the wire of a call of this try. */
  indexOf(call: QueuedCall): number {
    return this.workload.calls.indexOf(call) - this.#firstCall + this.#killCalls;
  }

  /** Whether all calls have answered. Never so for kills alone. */
  get answered(): boolean {
    return this.values.length > 0 && this.values.length === this.workload.calls.length;
  }

  /** The call that is being run or comes next; undefined after the last. */
  get currentCall(): QueuedCall | undefined {
    return this.workload.calls[this.values.length];
  }

  /** Why it is being ended, if it is. */
  get stop(): Stop | undefined {
    return this.#stops[0];
  }

  /** It is being ended, and what it still says is for its end only. */
  addStop(stop: Stop): void {
    this.#stops = [...this.#stops, stop];
  }

  /** A call, or the kills, took too long, and is being ended. */
  timeOut(index: number, callTimeoutMs: number): void {
    const call = this.callAt(index);
    const { timeoutMs = callTimeoutMs } = call?.options ?? {};
    const reason = Object.assign(new Error(`no answer within ${String(timeoutMs)} ms`), { code: 'ERR_CALL_TIMEOUT' });
    this.addStop({ kind: 'timeout', reason, call, isOfKills: this.isKill(index) });
  }

  /** The value of the call, undefined for the kills, was on its way already when its time was up. */
  answeredInTime(call: QueuedCall | undefined): void {
    if (this.#stops.length === 0) return;
    this.#stops = this.#stops.filter(
      stop => stop.kind !== 'timeout' || (call === undefined ? !stop.isOfKills : stop.call !== call),
    );
  }

  /** It is to end unless it was sent. */
  halt(stop: Stop): void {
    this.#halt ??= stop;
  }

  /** The batch as it travels: its head, its calls, and cancels of those whose signal is aborted already. */
  write(writer: FrameWriter, callTimeoutMs: number): void {
    const { calls } = this;
    const { head, utilityId: utility } = endpointOf(this.drone);
    writer.frame(FrameType.Batch, this.id, calls.length + this.#killCalls, head);
    if (this.#kills.length > 0) {
      const args = encode([this.#kills]);
      const timeoutMs = callTimeoutMs;
      writeCall(writer, this.id, 0, {
        streams: false,
        isKill: true,
        timeoutMs,
        method: 'killProcesses',
        utility: '',
        args,
      });
    }
    for (const [index, { method, encodedArgs: args, options, streams }] of calls.entries()) {
      const { timeoutMs = callTimeoutMs } = options;
      writeCall(writer, this.id, index + this.#killCalls, { streams, isKill: false, timeoutMs, method, utility, args });
    }
    for (const call of calls) {
      const { signal } = call.options;
      if (signal?.aborted !== true) continue;
      this.cancelCall(call, signal.reason);
      writer.frame(FrameType.Cancel, this.id, this.indexOf(call));
    }
  }

  /** All calls have answered. */
  succeed(): void {
    this.#ending = undefined;
    this.settle();
  }

  /** The batch has come this far. */
  enter(phase: Phase): void {
    if (phase === 'connect') this.attempts++;
    this.phase = phase;
    this.phaseSinceMs = performance.now();
  }

  /** A call ended its batch. Those after it did not run, nor those before it that have no answer. */
  failAt(index: number, report: FailedReport): void {
    const ended = this.callAt(index);
    const stop = report.kind === 'cancelled' ? this.stop : undefined;
    const call = stop?.call ?? ended;
    const kind = stop?.kind ?? report.kind;
    const cause = stop?.reason ?? this.#reasonToCancel(kind, ended) ?? report.error;
    const isUnknown = ended !== undefined && (report.kind === 'lost' || call !== ended);
    this.#fail(kind, cause, {
      call,
      mayHaveRun: each => each === ended && isUnknown,
      isOver: each => each === ended && !isUnknown,
      kills: this.isKill(index) || this.killsAnswered ? [] : this.#kills,
      killed: report.killed,
      output: report.output,
    });
  }

  /** The drone, or the way to it, is gone. */
  failDown(report: DownReport, sent: boolean): void {
    this.phase = report.phase;
    const halt = !sent && report.kind === 'cancelled' ? this.#halt : undefined;
    // Of a further try nothing was sent: how the one before it failed is what there is to tell.
    if (halt !== undefined && this.#ending !== undefined) return;
    this.#failUnanswered(halt?.kind ?? report.kind, halt?.reason ?? report.error, sent, report.killed);
  }

  /**
   * Ends here and now, whatever the drone may still say: the thread died, or nobody reacts. A thread that does not react
   * may be held up, and send the batch before it gets to hear of this (`mayYetBeSent`): so that counts as sent.
   */
  abandon(kind: DroneErrorKind, cause: unknown, mayYetBeSent = false): void {
    this.#failUnanswered(kind, cause, mayYetBeSent || SENT.includes(this.phase));
  }

  /** The last call has answered, but its caller's function threw, or was not done when the batch was stopped. */
  failStopped(stop: Stop): void {
    this.#fail(stop.kind, stop.reason, { call: stop.call, mayHaveRun: () => false, isOver: () => false, kills: [] });
  }

  #failUnanswered(kind: DroneErrorKind, cause: unknown, sent: boolean, killed?: boolean): void {
    const awaited = this.currentCall;
    // Who stopped the batch first names the failure, however it then ended.
    const { stop } = this;
    const named = stop?.kind ?? kind;
    const reason = this.#afterTry(stop?.reason ?? this.#reasonToCancel(named, awaited) ?? cause);
    const endsCall = sent && ERROR_KINDS[named].endsCall;
    this.#fail(named, reason, {
      call: stop?.call ?? (endsCall ? awaited : undefined),
      mayHaveRun: () => sent,
      isOver: () => false,
      kills: sent ? [] : this.#kills,
      killed,
    });
  }

  /** Between two tries the last one is what there is to tell: that there was no time for another is not the trouble. */
  #afterTry(reason: unknown): unknown {
    const last = this.phase === 'waiting' ? this.#ending?.error : undefined;
    const { code } = (reason ?? {}) as { code?: unknown };
    if (last === undefined || code !== ROUND_DEADLINE || !(reason instanceof Error)) return reason;
    return Object.assign(new Error(reason.message, { cause: last }), { code });
  }

  /** A call's own signal was aborted. */
  cancelCall(call: Call, reason: unknown): void {
    this.#cancelledCalls ??= new Map();
    this.#cancelledCalls.set(call, reason);
  }

  /** A call whose own signal was aborted may have ended of something else before. */
  #reasonToCancel(kind: DroneErrorKind, call: Call | undefined): unknown {
    return kind === 'cancelled' && call !== undefined ? this.#cancelledCalls?.get(call) : undefined;
  }

  /** Sorts the calls without an answer, and ends the try with it. */
  #fail(
    kind: DroneErrorKind,
    cause: unknown,
    facts: {
      call: QueuedCall | undefined;
      mayHaveRun: (call: QueuedCall) => boolean;
      /** Has run to its end, or been ended. */
      isOver: (call: QueuedCall) => boolean;
      kills: Workload['kills'];
      killed?: boolean | undefined;
      output?: FailedReport['output'];
    },
  ): void {
    const { drone, phase, attempts, values } = this;
    const { call, kills, killed, output } = facts;
    const unanswered = this.workload.calls.slice(values.length);
    const hasRun = (each: QueuedCall): boolean => facts.mayHaveRun(each) || this.#ranBefore?.has(each) === true;
    const mayHaveRun = unanswered.filter(each => !facts.isOver(each) && hasRun(each));
    const notStarted = unanswered.filter(each => !facts.isOver(each) && !hasRun(each));
    const certain = new Set(notStarted);
    // Who cancelled a call does not want it any more, and a caller's function that throws would throw again.
    const isDone = (each: QueuedCall): boolean =>
      facts.isOver(each) || (each === call && !ERROR_KINDS[kind].goesBack) || this.#cancelledCalls?.has(each) === true;
    this.#ending = {
      error: new DroneError({
        kind,
        cause,
        hostname: drone.hostname,
        phase,
        attempts,
        completed: values,
        call,
        mayHaveRun,
        notStarted,
        killed,
        output,
      }),
      back: {
        kills,
        calls: unanswered.filter(each => certain.has(each) || (each.options.idempotent === true && !isDone(each))),
      },
      isSafeToRetry:
        unanswered.length + kills.length > 0 &&
        unanswered.every(each => certain.has(each) || each.options.idempotent === true),
    };
  }

  /** Whether its failure leaves it to others to try it again: nobody has stopped it, and nothing can run twice by it. */
  get mayBeTriedAgain(): boolean {
    const isStopped = this.#halt !== undefined || this.#stops.some(stop => !isOwnTimeOut(stop));
    const isCancelled = this.workload.calls
      .slice(this.values.length)
      .some(({ options }) => options.signal?.aborted === true);
    return !isStopped && !isCancelled && this.#ending?.isSafeToRetry === true;
  }

  /** It is to be tried again from where it failed, under this id. */
  tryAgain(id: number): void {
    const ending = this.#ending;
    if (ending === undefined) return;
    const { call, mayHaveRun } = ending.error;
    for (const each of call === undefined ? mayHaveRun : [call, ...mayHaveRun])
      (this.#ranBefore ??= new Set()).add(each);
    this.#id = id;
    this.#kills = ending.back.kills;
    this.#firstCall = this.values.length;
    // Those of the failed try are with its error, and stay as they are.
    this.#values = [...this.#values];
    nameValues(this.#values, this.workload.calls);
    this.#stops = [];
    this.tries++;
    this.enter('waiting');
  }

  /** It has come to its end, which is that of its last try. */
  settle(): void {
    if (this.#ending !== undefined) {
      const back = new Set(this.#ending.back.calls);
      this.#giveBack(this.#ending.back);
      for (const call of this.workload.calls) if (call.reader && !back.has(call)) call.reader.end();
    }
    this.settled = true;
    this.#resolve();
  }
}
