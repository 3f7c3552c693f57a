/** One drone's batch as the main thread records it: its calls, their values, and how it ended. */
import { type Call, KillCall, nameValues, type QueuedCall } from '../drone/call.js';
import { type AnyDrone, endpointOf, type Workload } from '../drone/drone.js';
import { DroneError } from '../drone/drone-error.js';
import { type DroneErrorKind, ERROR_KINDS } from '../drone/error-kinds.js';
import type { FrameWriter } from '../wire/frames.js';
import { type DownReport, type FailedReport, FrameType, type Phase, writeCall } from '../wire/messages.js';

/** Why the main thread ended a batch early. */
export interface Stop {
  readonly kind: 'timeout' | 'cancelled' | 'callback' | 'not-contacted';
  readonly reason: unknown;
  /** The call at fault, if any. */
  readonly call?: QueuedCall | undefined;
}

/** How a try of a batch ended without all answers. */
interface Ending {
  readonly error: DroneError;
  /** Returns to the drone: not run, or idempotent and unanswered. */
  readonly back: readonly QueuedCall[];
  /** What a retry would send; empty when that might run a non-idempotent call twice. */
  readonly retry: readonly QueuedCall[];
}

/** Code of the reason that stops a round at its deadline. */
export const ROUND_DEADLINE = 'ERR_ROUND_DEADLINE';

/** Phases in which the drone has, or may have, the batch. */
const SENT: readonly Phase[] = ['call', 'reply'];

export class Batch {
  readonly drone: AnyDrone;
  /** Those that have a value in the results. */
  readonly calls: readonly QueuedCall[];
  /** Resolves when the batch is settled; never rejects. */
  readonly done: Promise<void>;
  /** Values of the calls answered so far; a new list for each try. */
  #values: unknown[] = [];
  /** On the wire; a new one for each try. */
  #id: number;
  /** What this try sends, kills in front as one call. A call's index here is its index on the wire. */
  #sent: readonly QueuedCall[];
  /** Number of these that have answered. */
  #answered = 0;
  /** Calls whose own signal was aborted, with the reason. */
  readonly #cancelledCalls = new Map<Call, unknown>();
  /** Calls without an answer that earlier tries may have run. */
  readonly #ranBefore = new Set<Call>();
  /** The first names the failure. */
  #stops: readonly Stop[] = [];
  #halt: Stop | undefined;
  #ending: Ending | undefined;
  #phase: Phase = 'waiting';
  #phaseSinceMs = performance.now();
  #attempts = 0;
  /** The last phase of this try other than `waiting`. */
  #reached: Phase | undefined;
  #tries = 1;
  #settled = false;
  readonly #giveBack: (workload: Workload) => void;
  #resolve!: () => void;

  /** `giveBack` receives the calls that may run later. */
  constructor(id: number, drone: AnyDrone, { kills, calls }: Workload, giveBack: (workload: Workload) => void) {
    this.#id = id;
    this.drone = drone;
    this.calls = calls;
    this.#sent = kills.length > 0 ? [new KillCall(drone, kills), ...calls] : calls;
    this.#giveBack = giveBack;
    this.done = new Promise(resolve => {
      this.#resolve = resolve;
    });
    nameValues(this.#values, calls);
    for (const call of calls) call.isInFlight = true;
  }

  get id(): number {
    return this.#id;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** When the phase or the current call began. */
  get phaseSinceMs(): number {
    return this.#phaseSinceMs;
  }

  get tries(): number {
    return this.#tries;
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** Values of the calls answered so far, including those of earlier tries. */
  get values(): unknown[] {
    return this.#values;
  }

  /** Undefined while unsettled, and after success. */
  get failure(): DroneError | undefined {
    return this.#settled ? this.#ending?.error : undefined;
  }

  /** How the last ended try failed. */
  get lastError(): DroneError | undefined {
    return this.#ending?.error;
  }

  /** Whether its drone has answered or was connected to. */
  get wasAsked(): boolean {
    return this.#attempts > 0 || this.#phase !== 'waiting' || this.#values.length > 0;
  }

  get isAnswered(): boolean {
    return this.#answered === this.#sent.length;
  }

  /** The unanswered calls of this try. */
  get unanswered(): readonly QueuedCall[] {
    return this.#sent.slice(this.#answered);
  }

  /** The running or next call, kills aside; undefined after the last. */
  get currentCall(): QueuedCall | undefined {
    return this.calls[this.#values.length];
  }

  get stop(): Stop | undefined {
    return this.#stops[0];
  }

  /** The call with this index on the wire. */
  callAt(index: number): QueuedCall | undefined {
    return this.#sent[index];
  }

  indexOf(call: QueuedCall): number {
    return this.#sent.indexOf(call);
  }

  /** Writes its head, its calls, and cancels of calls whose signal has aborted already. */
  write(writer: FrameWriter, callTimeoutMs: number): void {
    const { head, utilityId: utility } = endpointOf(this.drone);
    writer.frame(FrameType.Batch, this.#id, this.#sent.length, head);
    for (const [index, call] of this.#sent.entries()) {
      const { method, encodedArgs: args, options, streams } = call;
      const { timeoutMs = callTimeoutMs } = options;
      const isKill = call instanceof KillCall;
      const wantsTotal = options.onProgress !== undefined;
      writeCall(writer, this.#id, index, { streams, isKill, wantsTotal, timeoutMs, method, utility, args });
    }
    for (const [index, call] of this.#sent.entries()) {
      const { signal } = call.options;
      if (signal?.aborted !== true) continue;
      this.cancelCall(call, signal.reason);
      writer.frame(FrameType.Cancel, this.#id, index);
    }
  }

  enter(phase: Phase): void {
    // A connection that waits for a turn once its name has been looked up, is one attempt.
    if (phase === 'connect' && this.#reached !== 'connect') this.#attempts++;
    if (phase !== 'waiting') this.#reached = phase;
    this.#phase = phase;
    this.#phaseSinceMs = performance.now();
  }

  /** The awaited call has returned. Returns that call. */
  answer(value: unknown): QueuedCall | undefined {
    const call = this.#sent[this.#answered++];
    // A call that timed out meanwhile was in time after all.
    this.#stops = this.#stops.filter(stop => stop.kind !== 'timeout' || stop.call !== call);
    if (!(call instanceof KillCall)) this.#values.push(value);
    this.#phaseSinceMs = performance.now();
    return call;
  }

  addStop(stop: Stop): void {
    this.#stops = [...this.#stops, stop];
  }

  timeOut(index: number, callTimeoutMs: number): void {
    const call = this.callAt(index);
    const { timeoutMs = callTimeoutMs } = call?.options ?? {};
    const reason = Object.assign(new Error(`no answer within ${String(timeoutMs)} ms`), { code: 'ERR_CALL_TIMEOUT' });
    this.addStop({ kind: 'timeout', reason, call });
  }

  cancelCall(call: Call, reason: unknown): void {
    this.#cancelledCalls.set(call, reason);
  }

  /** Ends it unless it was sent. */
  halt(stop: Stop): void {
    this.#halt ??= stop;
  }

  /** A call ended its batch. Other calls without an answer did not run. */
  failAt(index: number, report: FailedReport): void {
    const ended = this.callAt(index);
    const stop = report.kind === 'cancelled' ? this.stop : undefined;
    const call = stop?.call ?? ended;
    const kind = stop?.kind ?? report.kind;
    const cause = stop?.reason ?? this.#reasonToCancel(kind, ended) ?? report.error;
    const over = report.kind !== 'lost' && call === ended ? ended : undefined;
    this.#fail(kind, cause, { call, over, ran: [ended], end: report });
  }

  /** The drone or its connection is gone. */
  failDown(report: DownReport, sent: boolean): void {
    this.#phase = report.phase;
    const halt = !sent && report.kind === 'cancelled' ? this.#halt : undefined;
    // The retry sent nothing, so the failure of the try before it stays.
    if (halt !== undefined && this.#ending !== undefined) return;
    this.#failUnanswered(halt?.kind ?? report.kind, halt?.reason ?? report.error, sent, report);
  }

  /**
   * Ends at once: the thread died or does not react. A thread that does not react may still send the batch before it
   * reads the cancel (`mayYetBeSent`), which therefore counts as sent.
   */
  abandon(kind: DroneErrorKind, cause: unknown, mayYetBeSent = false): void {
    this.#failUnanswered(kind, cause, mayYetBeSent || SENT.includes(this.#phase));
  }

  /** All calls have answered, but an `onOutput` threw or was still running when the batch was stopped. */
  failStopped({ kind, reason, call }: Stop): void {
    this.#fail(kind, reason, { call, ran: [] });
  }

  #failUnanswered(kind: DroneErrorKind, cause: unknown, sent: boolean, end?: DownReport): void {
    const { stop, unanswered } = this;
    const [awaited] = unanswered;
    // The first stop names the failure, however the batch then ended.
    const named = stop?.kind ?? kind;
    const reason = this.#afterTry(stop?.reason ?? this.#reasonToCancel(named, awaited) ?? cause);
    const call = stop?.call ?? (sent && ERROR_KINDS[named].endsCall ? awaited : undefined);
    const isToEnd = stop !== undefined || (awaited !== undefined && this.#cancelledCalls.has(awaited));
    // Nothing was heard of its end, so it may live on.
    const killed = end?.killed ?? (sent && isToEnd ? false : undefined);
    this.#fail(named, reason, { call, ran: sent ? unanswered : [], end: { killed, output: end?.output } });
  }

  /** Between two tries, the deadline's error gets the failure of the last try as its cause. */
  #afterTry(reason: unknown): unknown {
    const last = this.#phase === 'waiting' ? this.#ending?.error : undefined;
    const { code } = (reason ?? {}) as { code?: unknown };
    if (last === undefined || code !== ROUND_DEADLINE || !(reason instanceof Error)) return reason;
    return Object.assign(new Error(reason.message, { cause: last }), { code });
  }

  /** A call whose own signal was aborted may have ended for another reason before. */
  #reasonToCancel(kind: DroneErrorKind, call: Call | undefined): unknown {
    return kind === 'cancelled' && call !== undefined ? this.#cancelledCalls.get(call) : undefined;
  }

  /**
   * Sorts the unanswered calls and ends the try: `over` has ended, those in `ran` may have run. A kill is never sent twice:
   * its pid may belong to another process by then.
   */
  #fail(
    kind: DroneErrorKind,
    cause: unknown,
    facts: {
      call: QueuedCall | undefined;
      over?: QueuedCall | undefined;
      ran: readonly (QueuedCall | undefined)[];
      end?: Pick<FailedReport, 'killed' | 'output' | 'result'>;
    },
  ): void {
    const { call, over, end } = facts;
    const { unanswered } = this;
    const ran = new Set([over, ...facts.ran, ...this.#ranBefore]);
    const certain = new Set(unanswered.filter(each => !ran.has(each)));
    const canRun = (each: QueuedCall): boolean => certain.has(each) || each.options.idempotent === true;
    // A cancelled call is unwanted.
    const isDone = (each: QueuedCall): boolean =>
      each === over || (each === call && !ERROR_KINDS[kind].goesBack) || this.#cancelledCalls.has(each);
    this.#ending = {
      error: new DroneError({
        kind,
        cause,
        hostname: this.drone.hostname,
        phase: this.#phase,
        attempts: this.#attempts,
        completed: this.#values,
        call: call instanceof KillCall ? undefined : call,
        mayHaveRun: withoutKills(unanswered.filter(each => each !== over && ran.has(each))),
        notStarted: withoutKills([...certain]),
        killed: end?.killed,
        output: end?.output,
        result: kind === 'call' ? end?.result : undefined,
      }),
      back: unanswered.filter(each => certain.has(each) || (canRun(each) && !isDone(each))),
      retry: withoutKills(unanswered).every(canRun) ? unanswered.filter(canRun) : [],
    };
  }

  /** Whether a retry is possible: the batch was not stopped, and no call would run twice that must not. */
  get mayBeTriedAgain(): boolean {
    // A call's own timeout does not stop the batch.
    const isStopped = this.#halt !== undefined || this.#stops.some(({ kind, call }) => kind !== 'timeout' || !call);
    const isCancelled = this.unanswered.some(({ options }) => options.signal?.aborted === true);
    return !isStopped && !isCancelled && (this.#ending?.retry.length ?? 0) > 0;
  }

  /** Prepares a retry from where it failed, under this id. */
  tryAgain(id: number): void {
    if (this.#ending === undefined) return;
    const { error, retry } = this.#ending;
    if (error.call !== undefined) this.#ranBefore.add(error.call);
    for (const call of error.mayHaveRun) this.#ranBefore.add(call);
    this.#id = id;
    this.#sent = retry;
    this.#answered = 0;
    // The error of the failed try keeps its own list.
    this.#values = [...this.#values];
    nameValues(this.#values, this.calls);
    this.#stops = [];
    this.#tries++;
    this.#reached = undefined;
    this.enter('waiting');
  }

  succeed(): void {
    this.#ending = undefined;
    this.settle();
  }

  settle(): void {
    for (const call of this.calls) call.isInFlight = false;
    if (this.#ending !== undefined) {
      const back = new Set(this.#ending.back);
      const kills = [...back].flatMap(call => (call instanceof KillCall ? call.processes : []));
      this.#giveBack({ kills, calls: withoutKills([...back]) });
      for (const call of this.calls) if (call.reader && !back.has(call)) call.reader.end();
    }
    this.#settled = true;
    this.#resolve();
  }
}

function withoutKills(calls: readonly QueuedCall[]): QueuedCall[] {
  return calls.filter(call => !(call instanceof KillCall));
}
