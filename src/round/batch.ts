/** One drone's batch as the main thread books it: what was asked, what came back, and how it ended. */
import { nameValues, type Call, type QueuedCall } from '../drone/call.js';
import { encode } from '../codec.js';
import { type AnyDrone, endpointOf, type Workload } from '../drone/drone.js';
import { DroneError, type DroneErrorKind } from '../drone-error.js';
import type { FrameWriter } from '../frames.js';
import { type DownReport, type FailedReport, FrameType, type Phase, writeCall } from '../wire.js';

/** Why the main thread ended a batch before its time. */
export interface Stop {
  readonly kind: 'timeout' | 'cancelled' | 'callback';
  readonly reason: unknown;
  /** The call at fault, where it is one call's. */
  readonly call?: QueuedCall | undefined;
}

/** Phases in which the batch is, or may be, with the drone. */
const SENT: readonly Phase[] = ['call', 'reply'];

export class Batch {
  readonly id: number;
  readonly drone: AnyDrone;
  /** What the batch came from, to go back to the drone where it did not run. */
  readonly workload: Workload;
  /** Resolves when the batch is settled; never rejects. */
  readonly done: Promise<void>;
  /** Of the calls answered so far. */
  readonly values: unknown[] = [];
  /** Calls whose own signal was aborted, with its reason. */
  #cancelledCalls: Map<Call, unknown> | undefined;
  phase: Phase = 'waiting';
  phaseSinceMs = performance.now();
  attempts = 0;
  /** The kills in front of the calls have had their answer. */
  killsAnswered = false;
  stop: Stop | undefined;
  /** How it ended; undefined while unsettled, and when all went well. */
  failure: DroneError | undefined;
  settled = false;
  readonly #giveBack: (workload: Workload) => void;
  #resolve!: () => void;

  /** `giveBack` gets what did not run, where it may run another time. */
  constructor(id: number, drone: AnyDrone, workload: Workload, giveBack: (workload: Workload) => void) {
    this.id = id;
    this.drone = drone;
    this.workload = workload;
    this.#giveBack = giveBack;
    this.done = new Promise(resolve => {
      this.#resolve = resolve;
    });
    nameValues(this.values, workload.calls);
  }

  /** Kills ride as one call in front of the others, so indexes on the wire are off by this. */
  get #killCalls(): number {
    return this.workload.kills.length > 0 ? 1 : 0;
  }

  isKill(index: number): boolean {
    return index < this.#killCalls;
  }

  /** The call with this index on the wire; undefined for the kills. */
  callAt(index: number): QueuedCall | undefined {
    return this.workload.calls[index - this.#killCalls];
  }

  /** Index on the wire of a call of this batch. */
  indexOf(call: QueuedCall): number {
    return this.workload.calls.indexOf(call) + this.#killCalls;
  }

  /** Whether all calls have answered. Never so for kills alone. */
  get answered(): boolean {
    return this.values.length > 0 && this.values.length === this.workload.calls.length;
  }

  /** The call that is being run or comes next; undefined after the last. */
  get currentCall(): Call | undefined {
    return this.workload.calls[this.values.length];
  }

  /** The batch as it travels: its head, its calls, and cancels of those whose signal is aborted already. */
  write(writer: FrameWriter, callTimeoutMs: number): void {
    const { kills, calls } = this.workload;
    const { head, utilityId: utility } = endpointOf(this.drone);
    writer.frame(FrameType.Batch, this.id, calls.length + this.#killCalls, head);
    if (kills.length > 0) {
      const args = encode([kills]);
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
    this.#settle();
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
    const unknown = ended !== undefined && (report.kind === 'lost' || call !== ended);
    this.#fail(kind, cause, {
      call,
      mayHaveRun: unknown ? [ended] : [],
      notStarted: this.workload.calls.slice(this.values.length).filter(each => each !== ended),
      killed: report.killed,
      output: report.output,
    });
    if (!this.isKill(index) && !this.killsAnswered) this.#giveBack({ kills: this.workload.kills, calls: [] });
  }

  /** The drone, or the way to it, is gone. */
  failDown(report: DownReport, sent: boolean): void {
    this.phase = report.phase;
    this.#failUnanswered(report.kind, report.error, sent, report.killed);
  }

  /** Ends here and now, whatever the drone may still say: the thread died, or nobody reacts. */
  abandon(kind: DroneErrorKind, cause: unknown): void {
    this.#failUnanswered(kind, cause, SENT.includes(this.phase));
  }

  /** The last call has answered, but its caller's function threw, or was not done when the batch was stopped. */
  failStopped(stop: Stop): void {
    this.#fail(stop.kind, stop.reason, { call: stop.call, mayHaveRun: [], notStarted: [] });
  }

  #failUnanswered(kind: DroneErrorKind, cause: unknown, sent: boolean, killed?: boolean): void {
    const unanswered = this.workload.calls.slice(this.values.length);
    const [awaited] = unanswered;
    // Who stopped the batch first names the failure, however it then ended.
    const { stop } = this;
    const named = stop?.kind ?? kind;
    const reason = stop?.reason ?? this.#reasonToCancel(named, awaited) ?? cause;
    const ofOneCall = sent && (named === 'timeout' || named === 'cancelled' || named === 'callback');
    this.#fail(named, reason, {
      call: stop?.call ?? (ofOneCall ? awaited : undefined),
      mayHaveRun: sent ? unanswered : [],
      notStarted: sent ? [] : unanswered,
      killed,
    });
    if (!sent) this.#giveBack({ kills: this.workload.kills, calls: [] });
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

  #fail(
    kind: DroneErrorKind,
    cause: unknown,
    facts: {
      call: Call | undefined;
      mayHaveRun: readonly QueuedCall[];
      notStarted: readonly QueuedCall[];
      killed?: boolean | undefined;
      output?: FailedReport['output'];
    },
  ): void {
    const { drone, phase, attempts, values } = this;
    this.failure = new DroneError({
      kind,
      cause,
      hostname: drone.hostname,
      phase,
      attempts,
      completed: values,
      ...facts,
    });
    const again = facts.mayHaveRun.filter(call => call.options.idempotent === true);
    const back = [...again, ...facts.notStarted];
    this.#giveBack({ kills: [], calls: back });
    for (const call of this.workload.calls) if (call.reader && !back.includes(call)) call.reader.end();
    this.#settle();
  }

  #settle(): void {
    this.settled = true;
    this.#resolve();
  }
}
