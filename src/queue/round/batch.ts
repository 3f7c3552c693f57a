/** One drone's batch as the main thread books it: what was asked, what came back, and how it ended. */
import { type Call, KillCall, nameValues, type QueuedCall } from '../drone/call.js';
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
}

/** How a try of a batch ended without all answers. */
interface Ending {
  readonly error: DroneError;
  /** Goes back to the drone: has not run, or is idempotent and has no answer. */
  readonly back: readonly QueuedCall[];
  /** What another try would send; nothing where that could run something twice that must not be. */
  readonly retry: readonly QueuedCall[];
}

/** Code of the reason for which a round past its deadline is stopped. */
export const ROUND_DEADLINE = 'ERR_ROUND_DEADLINE';

/** Phases in which the batch is, or may be, with the drone. */
const SENT: readonly Phase[] = ['call', 'reply'];

export class Batch {
  readonly drone: AnyDrone;
  /** Those that have a value in the results. */
  readonly calls: readonly QueuedCall[];
  /** Resolves when the batch is settled; never rejects. */
  readonly done: Promise<void>;
  /** Of the calls answered so far; another list for each try. */
  #values: unknown[] = [];
  /** On the wire; another for each try. */
  #id: number;
  /** What this try sends, the kills in front as one call. The place of a call in it is its index on the wire. */
  #sent: readonly QueuedCall[];
  /** How many of these have answered. */
  #answered = 0;
  /** Calls whose own signal was aborted, with its reason. */
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
  #tries = 1;
  #settled = false;
  readonly #giveBack: (workload: Workload) => void;
  #resolve!: () => void;

  /** `giveBack` gets what did not run, where it may run another time. */
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
  }

  get id(): number {
    return this.#id;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** When the phase began, or the call that is being run. */
  get phaseSinceMs(): number {
    return this.#phaseSinceMs;
  }

  /** How often it was tried. */
  get tries(): number {
    return this.#tries;
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** Of the calls answered so far, also in earlier tries. */
  get values(): unknown[] {
    return this.#values;
  }

  /** How it ended; undefined while unsettled, and when all went well. */
  get failure(): DroneError | undefined {
    return this.#settled ? this.#ending?.error : undefined;
  }

  /** How the try that was the last so far ended. */
  get lastError(): DroneError | undefined {
    return this.#ending?.error;
  }

  /** Whether anything was done for it: its drone has answered, or was connected to. */
  get wasAsked(): boolean {
    return this.#attempts > 0 || this.#phase !== 'waiting' || this.#values.length > 0;
  }

  /** Whether all that was sent has answered. */
  get isAnswered(): boolean {
    return this.#answered === this.#sent.length;
  }

  /** Of this try. */
  get unanswered(): readonly QueuedCall[] {
    return this.#sent.slice(this.#answered);
  }

  /** The call that is being run or comes next, kills aside; undefined after the last. */
  get currentCall(): QueuedCall | undefined {
    return this.calls[this.#values.length];
  }

  /** Why it is being ended, if it is. */
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

  /** The batch as it travels: its head, its calls, and cancels of those whose signal is aborted already. */
  write(writer: FrameWriter, callTimeoutMs: number): void {
    const { head, utilityId: utility } = endpointOf(this.drone);
    writer.frame(FrameType.Batch, this.#id, this.#sent.length, head);
    for (const [index, call] of this.#sent.entries()) {
      const { method, encodedArgs: args, options, streams } = call;
      const { timeoutMs = callTimeoutMs } = options;
      const isKill = call instanceof KillCall;
      writeCall(writer, this.#id, index, { streams, isKill, timeoutMs, method, utility, args });
    }
    for (const [index, call] of this.#sent.entries()) {
      const { signal } = call.options;
      if (signal?.aborted !== true) continue;
      this.cancelCall(call, signal.reason);
      writer.frame(FrameType.Cancel, this.#id, index);
    }
  }

  /** The batch has come this far. */
  enter(phase: Phase): void {
    if (phase === 'connect') this.#attempts++;
    this.#phase = phase;
    this.#phaseSinceMs = performance.now();
  }

  /** The awaited call, which this gives, has returned. */
  answer(value: unknown): QueuedCall | undefined {
    const call = this.#sent[this.#answered++];
    // If its time was up, its answer was on its way already.
    this.#stops = this.#stops.filter(stop => stop.kind !== 'timeout' || stop.call !== call);
    if (!(call instanceof KillCall)) this.#values.push(value);
    this.#phaseSinceMs = performance.now();
    return call;
  }

  /** It is being ended, and what it still says is for its end only. */
  addStop(stop: Stop): void {
    this.#stops = [...this.#stops, stop];
  }

  /** A call took too long, and is being ended. */
  timeOut(index: number, callTimeoutMs: number): void {
    const call = this.callAt(index);
    const { timeoutMs = callTimeoutMs } = call?.options ?? {};
    const reason = Object.assign(new Error(`no answer within ${String(timeoutMs)} ms`), { code: 'ERR_CALL_TIMEOUT' });
    this.addStop({ kind: 'timeout', reason, call });
  }

  /** A call's own signal was aborted. */
  cancelCall(call: Call, reason: unknown): void {
    this.#cancelledCalls.set(call, reason);
  }

  /** It is to end unless it was sent. */
  halt(stop: Stop): void {
    this.#halt ??= stop;
  }

  /** A call ended its batch. Those after it did not run, nor those before it that have no answer. */
  failAt(index: number, report: FailedReport): void {
    const ended = this.callAt(index);
    const stop = report.kind === 'cancelled' ? this.stop : undefined;
    const call = stop?.call ?? ended;
    const kind = stop?.kind ?? report.kind;
    const cause = stop?.reason ?? this.#reasonToCancel(kind, ended) ?? report.error;
    const over = report.kind !== 'lost' && call === ended ? ended : undefined;
    this.#fail(kind, cause, { call, over, ran: [ended], killed: report.killed, output: report.output });
  }

  /** The drone, or the way to it, is gone. */
  failDown(report: DownReport, sent: boolean): void {
    this.#phase = report.phase;
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
    this.#failUnanswered(kind, cause, mayYetBeSent || SENT.includes(this.#phase));
  }

  /** The last call has answered, but its caller's function threw, or was not done when the batch was stopped. */
  failStopped({ kind, reason, call }: Stop): void {
    this.#fail(kind, reason, { call, ran: [] });
  }

  #failUnanswered(kind: DroneErrorKind, cause: unknown, sent: boolean, killed?: boolean): void {
    const { stop, unanswered } = this;
    const [awaited] = unanswered;
    // Who stopped the batch first names the failure, however it then ended.
    const named = stop?.kind ?? kind;
    const reason = this.#afterTry(stop?.reason ?? this.#reasonToCancel(named, awaited) ?? cause);
    const call = stop?.call ?? (sent && ERROR_KINDS[named].endsCall ? awaited : undefined);
    this.#fail(named, reason, { call, ran: sent ? unanswered : [], killed });
  }

  /** Between two tries the last one is what there is to tell: that there was no time for another is not the trouble. */
  #afterTry(reason: unknown): unknown {
    const last = this.#phase === 'waiting' ? this.#ending?.error : undefined;
    const { code } = (reason ?? {}) as { code?: unknown };
    if (last === undefined || code !== ROUND_DEADLINE || !(reason instanceof Error)) return reason;
    return Object.assign(new Error(reason.message, { cause: last }), { code });
  }

  /** A call whose own signal was aborted may have ended of something else before. */
  #reasonToCancel(kind: DroneErrorKind, call: Call | undefined): unknown {
    return kind === 'cancelled' && call !== undefined ? this.#cancelledCalls.get(call) : undefined;
  }

  /**
   * Sorts the calls without an answer, and ends the try with it: `over` has run to its end or been ended, those in `ran`
   * may have run. A kill is never sent twice: its process may be gone, and its number another's.
   */
  #fail(
    kind: DroneErrorKind,
    cause: unknown,
    facts: {
      call: QueuedCall | undefined;
      over?: QueuedCall | undefined;
      ran: readonly (QueuedCall | undefined)[];
      killed?: boolean | undefined;
      output?: FailedReport['output'];
    },
  ): void {
    const { call, over, killed, output } = facts;
    const { unanswered } = this;
    const ran = new Set([over, ...facts.ran, ...this.#ranBefore]);
    const certain = new Set(unanswered.filter(each => !ran.has(each)));
    const canRun = (each: QueuedCall): boolean => certain.has(each) || each.options.idempotent === true;
    // Who cancelled a call does not want it any more.
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
        killed,
        output,
      }),
      back: unanswered.filter(each => certain.has(each) || (canRun(each) && !isDone(each))),
      retry: withoutKills(unanswered).every(canRun) ? unanswered.filter(canRun) : [],
    };
  }

  /** Whether its failure leaves it to others to try it again: nobody has stopped it, and nothing can run twice by it. */
  get mayBeTriedAgain(): boolean {
    // A call that ran out of time has not stopped its batch.
    const isStopped = this.#halt !== undefined || this.#stops.some(({ kind, call }) => kind !== 'timeout' || !call);
    const isCancelled = this.unanswered.some(({ options }) => options.signal?.aborted === true);
    return !isStopped && !isCancelled && (this.#ending?.retry.length ?? 0) > 0;
  }

  /** It is to be tried again from where it failed, under this id. */
  tryAgain(id: number): void {
    if (this.#ending === undefined) return;
    const { error, retry } = this.#ending;
    if (error.call !== undefined) this.#ranBefore.add(error.call);
    for (const call of error.mayHaveRun) this.#ranBefore.add(call);
    this.#id = id;
    this.#sent = retry;
    this.#answered = 0;
    // Those of the failed try are with its error, and stay as they are.
    this.#values = [...this.#values];
    nameValues(this.#values, this.calls);
    this.#stops = [];
    this.#tries++;
    this.enter('waiting');
  }

  /** All calls have answered. */
  succeed(): void {
    this.#ending = undefined;
    this.settle();
  }

  /** It has come to its end, which is that of its last try. */
  settle(): void {
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
