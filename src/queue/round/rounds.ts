/**
 * The rules of a round, the same for every task queue.
 *
 * A queue is *idle* until `execute` puts a round *in flight*: the thread map holds a worker per drone with work. Once all
 * have settled and a caller has waited, the map is cleared and the failures are reported, once. Results are *recorded* as
 * drones settle and stay until fetched. `execute` refuses unless nothing is recorded and the map is empty.
 *
 * Invariants: batches are taken out of all drones before anything starts; every worker in the map settles; failures from
 * `execute` or `getResults` come with the results, and nothing stays recorded.
 */
import { onAbort } from '../../wait/abort.js';
import { type Batch, ROUND_DEADLINE, type Stop } from './batch.js';
import { QueuedCall } from '../drone/call.js';
import { systemClock } from '../../wait/clock.js';
import { type AnyDrone, type CallTarget, checkCallCount, listDrones, takeWorkload, targetOf } from '../drone/drone.js';
import { describeFailures, type DroneError, type DroneResults, DroneTaskQueueException } from '../drone/drone-error.js';
import { ERROR_KINDS } from '../drone/error-kinds.js';
import type { KickedOut, KickOut } from './kick-out.js';
import type { Ledger } from './ledger.js';
import { Leftovers } from './leftovers.js';
import { refuseTooManyFiles } from './open-files.js';
import type { Reports } from './reports.js';
import { SlowWorkers } from './slow-workers.js';
import type { Threads } from './threads.js';
import type { LeftoversRule, QueueSettings } from '../queue-options.js';
import type { CloseReport, DroneWorker, RoundOutcome, RoundSettings } from '../task-queue.js';
import type { MethodArgs, MethodName, MethodResult } from '../wire/methods.js';
import { Worker } from './worker.js';

/** Starts a round's batches in some order. `execute` with `wait: false` resolves when it does. */
export type Order = (workers: readonly Worker[], start: (some: readonly Worker[]) => void) => Promise<void>;

export interface RoundsParts {
  readonly threads: Threads;
  readonly ledger: Ledger;
  readonly kickOut: KickOut;
  readonly reports: Reports;
}

interface Round {
  readonly startedAtMs: number;
  readonly workers: readonly Worker[];
  readonly settled: Promise<unknown>;
  readonly release: (() => void)[];
  readonly slow: SlowWorkers;
  /** Number of failures that stops the round. */
  readonly failureLimit: number;
  failures: number;
  cancelled: { readonly reason: unknown } | undefined;
  /** No longer in flight: its failures were reported. */
  isOver: boolean;
}

export class Rounds {
  readonly name: string;
  readonly droneThreads = new Map<AnyDrone, DroneWorker>();
  readonly #settings: QueueSettings;
  readonly #order: Order;
  readonly #threads: Threads;
  readonly #ledger: Ledger;
  readonly #kickOut: KickOut;
  readonly #reports: Reports;
  readonly #leftovers: Leftovers;
  /** Calls beside rounds, and their number by drone. */
  readonly #calls = new Set<Batch>();
  readonly #callsOf = new WeakMap<AnyDrone, number>();
  /** In flight, or over while its results were not fetched. */
  #round: Round | undefined;
  #results: DroneResults = new Map();
  #closing: Promise<CloseReport> | undefined;

  constructor(settings: QueueSettings, order: Order, { threads, ledger, kickOut, reports }: RoundsParts) {
    this.name = settings.name;
    this.#settings = settings;
    this.#order = order;
    this.#threads = threads;
    this.#ledger = ledger;
    this.#kickOut = kickOut;
    this.#reports = reports;
    this.#leftovers = new Leftovers(reports);
  }

  get kickedOut(): ReadonlyMap<AnyDrone, KickedOut> {
    return this.#kickOut.kickedOut;
  }

  async execute(drones: Iterable<AnyDrone>, options: RoundSettings): Promise<DroneResults | undefined> {
    const handedOver = this.#begin(drones, options);
    if (options.wait) return this.getResults();
    await handedOver;
    return undefined;
  }

  async settle(drones: Iterable<AnyDrone>, options: RoundSettings): Promise<RoundOutcome> {
    void this.#begin(drones, options);
    const outcome = await this.#finish();
    return { results: this.#takeResults(), failures: outcome.failures };
  }

  async waitOnDrones(): Promise<void> {
    const { failures, cancelled } = await this.#finish();
    // A copy: the results stay recorded, and a caller may change the exception's map.
    if (failures.size === 0 && !cancelled) return;
    this.#reports.roundDelivered();
    throw this.#exception(failures, cancelled, new Map(this.#results));
  }

  /** The round that began last, for `resultsOf`. Others have no use for it. */
  get latest(): object | undefined {
    return this.#round;
  }

  /** As `getResults`, of this round only. */
  async resultsOf(round: object | undefined): Promise<DroneResults> {
    if (this.#round === round) await this.#round?.settled;
    if (this.#round === round) return this.getResults();
    if ((round as Round).workers.length === 0) return new Map();
    const what = `the results of this round of '${this.name}' were fetched by getResults(), execute or settle`;
    throw new DroneTaskQueueException('ERR_RESULTS_TAKEN', `${what}; use only results() of the started round`);
  }

  async getResults(): Promise<DroneResults> {
    const { failures, cancelled } = await this.#finish();
    const results = this.#takeResults();
    if (failures.size > 0 || cancelled) throw this.#exception(failures, cancelled, results);
    return results;
  }

  async call<M, K extends MethodName<M>>(
    target: CallTarget<M>,
    method: K,
    ...args: MethodArgs<M, K>
  ): Promise<MethodResult<M, K>> {
    const { drone, options } = targetOf('drone', target);
    if (this.#closing) throw closed(this.name);
    const inFlight = this.#callsOf.get(drone) ?? 0;
    checkCallCount(drone, inFlight);
    const call = new QueuedCall<MethodResult<M, K>>(drone, method, args, options);
    // A call that did not run does not enter the drone's queue: its caller gets the failure.
    const batch = this.#ledger.open(drone, { kills: [], calls: [call] }, () => undefined);
    this.#calls.add(batch);
    this.#callsOf.set(drone, inFlight + 1);
    this.#ledger.start([batch]);
    // Ends the connecting, too; the call's own signal counts only once the call runs.
    const stopListening = onAbort(options.signal, reason => {
      this.#ledger.stop(batch, { kind: 'cancelled', reason, call });
    });
    await batch.done;
    stopListening();
    this.#calls.delete(batch);
    this.#callsOf.set(drone, (this.#callsOf.get(drone) ?? 0) - 1);
    this.#kickOut.callEnded(drone, batch.failure);
    if (batch.failure) throw batch.failure;
    return batch.values[0] as MethodResult<M, K>;
  }

  inFlight(): DroneWorker[] {
    return this.#round?.workers.filter(worker => !worker.batch.settled) ?? [];
  }

  close(graceMs: number): Promise<CloseReport> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #close(graceMs: number): Promise<CloseReport> {
    this.#threads.startClosing();
    this.#kickOut.close();
    const round = this.#round;
    const inFlight = Promise.all([round?.settled, ...[...this.#calls].map(batch => batch.done)]);
    const cancel = systemClock.setTimer(graceMs, () => {
      const reason = new Error(`the queue ${this.name} was closed`);
      if (round && round === this.#round) this.#cancel(round, reason);
      for (const batch of this.#calls) this.#ledger.stop(batch, { kind: 'cancelled', reason });
    });
    await inFlight;
    cancel.cancel();
    const abandoned = await this.#threads.close(this.#settings.killGraceMs);
    await this.#reports.close();
    return { abandoned };
  }

  /** Refuses, or puts the round in flight, all in one turn of the event loop. */
  #begin(drones: Iterable<AnyDrone>, options: RoundSettings): Promise<void> {
    const { signal, stopOn = this.#settings.stopOn, leftovers = this.#settings.leftovers } = options;
    const list = listDrones(drones);
    this.#refuse(list);
    // An earlier round without work and without a waiting caller.
    if (this.#round?.isOver === false) this.#end(this.#round);
    this.#leftovers.roundStarts();
    const workers = this.#takeBatches(list, leftovers);
    const round: Round = {
      startedAtMs: performance.now(),
      workers,
      settled: Promise.all(workers.map(worker => worker.batch.done)),
      release: [],
      slow: new SlowWorkers(workers, (worker, othersMs) => this.#reports.workerSlow(worker, othersMs)),
      failureLimit: stopOn(workers.length),
      failures: 0,
      cancelled: undefined,
      isOver: false,
    };
    this.#round = round;
    this.#reports.roundStarted(workers.length);
    this.#watch(round, signal);
    // Even if no caller waits: a timer would keep an idle process alive.
    void round.settled.then(() => {
      for (const release of round.release) release();
      round.slow.stop();
    });
    return this.#order(workers, some => this.#start(some.filter(worker => !worker.batch.settled)));
  }

  #refuse(drones: readonly AnyDrone[]): void {
    if (this.#results.size > 0) {
      const what = `Cannot clobber results queue, it should have been cleared through getResults`;
      const mend = `a round of '${this.name}' has results that were not fetched: await getResults() first`;
      throw new DroneTaskQueueException('ERR_RESULTS_NOT_FETCHED', `${what}; ${mend}`);
    }
    if (this.droneThreads.size > 0) {
      const what = 'Cannot clobber thread map, it should have been cleared through waitOnDrones';
      const mend = `a round of '${this.name}' is in flight: await getResults() first, or use a second queue`;
      throw new DroneTaskQueueException('ERR_ROUND_IN_FLIGHT', `${what}; ${mend}`);
    }
    const seen = new Set<AnyDrone>();
    for (const drone of drones) {
      if (seen.has(drone)) {
        throw new DroneTaskQueueException('ERR_DRONE_TWICE', `Drone ${drone.hostname} is listed twice`);
      }
      seen.add(drone);
    }
    if (this.#closing) throw closed(this.name);
    refuseTooManyFiles(drones.filter(drone => !this.#kickOut.kickedOut.has(drone)));
  }

  #takeBatches(drones: readonly AnyDrone[], leftovers: LeftoversRule): Worker[] {
    const workers: Worker[] = [];
    for (const drone of drones) {
      const workload = takeWorkload(drone);
      if (workload.calls.length === 0 && workload.kills.length === 0) continue;
      const batch = this.#ledger.open(drone, workload, rest => this.#leftovers.take(drone, rest, leftovers));
      const worker = new Worker(this.name, batch, () => this.#ledger.threadIdOf(batch));
      workers.push(worker);
      this.droneThreads.set(drone, worker);
      void worker.batch.done.then(() => this.#finishWorker(worker));
      const out = this.kickedOut.get(drone);
      if (out) this.#ledger.refuse(batch, out.cause);
    }
    return workers;
  }

  #watch(round: Round, signal: AbortSignal | undefined): void {
    const { roundDeadlineMs } = this.#settings;
    const deadline = systemClock.setTimer(roundDeadlineMs, () => {
      const reason = new Error(`the round did not end within ${String(roundDeadlineMs)} ms`);
      const stop: Stop = { kind: 'timeout', reason: Object.assign(reason, { code: ROUND_DEADLINE }) };
      this.#stop(round, stop, this.#settings.killGraceMs);
    });
    round.release.push(() => deadline.cancel());
    round.release.push(onAbort(signal, reason => this.#cancel(round, reason)));
  }

  #cancel(round: Round, reason: unknown): void {
    if (round.workers.length > 0 && round.workers.every(worker => worker.batch.settled)) return;
    round.cancelled = { reason };
    this.#stop(round, { kind: 'cancelled', reason });
  }

  #stop(round: Round, stop: Stop, withinMs?: number): void {
    for (const { batch } of round.workers) if (!batch.settled) this.#ledger.stop(batch, stop, withinMs);
  }

  /** At the round's limit of failures, no further drone is contacted. */
  #countFailure(round: Round, { kind }: DroneError): void {
    if (!ERROR_KINDS[kind].stopOn || ++round.failures !== round.failureLimit) return;
    const reason = new Error(
      `stopped after ${String(round.failures)} of ${String(round.workers.length)} drones had failed`,
    );
    const stop: Stop = { kind: 'not-contacted', reason: Object.assign(reason, { code: 'ERR_ROUND_STOPPED' }) };
    for (const { batch } of round.workers) if (!batch.settled) this.#ledger.halt(batch, stop);
  }

  #start(workers: readonly Worker[]): void {
    for (const worker of workers) {
      worker.start();
      this.#reports.workerStarted(worker);
    }
    this.#ledger.start(workers.map(worker => worker.batch));
  }

  #finishWorker(worker: Worker): void {
    const { drone, batch } = worker;
    this.#kickOut.roundEnded(drone, batch.failure);
    const out = this.kickedOut.get(drone);
    const isOut = batch.failure?.kind === 'kicked-out' || (out !== undefined && out.cause === batch.failure);
    this.#reports.workerEnded(worker, isOut);
    this.#leftovers.workerEnded(drone);
    this.#round?.slow.finished(worker);
    if (!batch.failure) this.#results.set(drone, batch.values);
    else if (this.#round) this.#countFailure(this.#round, batch.failure);
  }

  /** Waits for the round in flight and clears it. Of several waiting callers, the first gets the failures. */
  async #finish(): Promise<{ failures: Map<AnyDrone, DroneError>; cancelled: Round['cancelled'] }> {
    const failures = new Map<AnyDrone, DroneError>();
    const round = this.#round;
    await round?.settled;
    if (round === undefined || round.isOver) return { failures, cancelled: undefined };
    for (const { drone, batch } of round.workers) if (batch.failure) failures.set(drone, batch.failure);
    this.#end(round);
    return { failures, cancelled: round.cancelled };
  }

  /** All workers have settled and a caller has waited, or there were none. */
  #end(round: Round): void {
    round.isOver = true;
    this.droneThreads.clear();
    // From the order of settling to the caller's order of drones.
    const good = round.workers.filter(({ batch }) => !batch.failure);
    this.#results = new Map(good.map(({ drone, batch }) => [drone, batch.values]));
    const results = this.#results.size;
    const failures = round.workers.length - results;
    this.#reports.roundEnded(performance.now() - round.startedAtMs, results, failures, this.#leftovers.count);
  }

  #takeResults(): DroneResults {
    this.#reports.roundDelivered();
    const results = this.#results;
    this.#results = new Map();
    if (this.#round?.isOver === true) this.#round = undefined;
    return results;
  }

  #exception(
    failures: Map<AnyDrone, DroneError>,
    cancelled: Round['cancelled'],
    results: DroneResults,
  ): DroneTaskQueueException {
    const outcome = { failures, results };
    const lines = describeFailures(failures);
    if (!cancelled) return new DroneTaskQueueException('ERR_DRONES_FAILED', lines, outcome);
    const message = ['The round was cancelled', lines].filter(line => line !== '').join('\n');
    return new DroneTaskQueueException('ERR_ROUND_CANCELLED', message, outcome, { cause: cancelled.reason });
  }
}

function closed(name: string): DroneTaskQueueException {
  return new DroneTaskQueueException('ERR_QUEUE_CLOSED', `The queue ${name} is closed`);
}
