/** What all task queues have in common. */
import type { AnyDrone, CallTarget } from './drone/drone.js';
import type { DroneResults } from './drone/drone-error.js';
import { type KickedOut, KickOut } from './round/kick-out.js';
import { Ledger } from './round/ledger.js';
import { Probes } from './round/probes.js';
import { Reports } from './round/reports.js';
import { type Order, Rounds } from './round/rounds.js';
import { Threads } from './round/threads.js';
import type { QueueSettings } from './queue-options.js';
import { readOptions } from '../option/option-table.js';
import { outsideSections } from '../wait/section-guard.js';
import {
  CLOSE,
  type CloseOptions,
  type CloseReport,
  ROUND,
  type RoundOptions,
  type RoundOutcome,
  type StartedRound,
  type TaskQueue,
} from './task-queue.js';
import type { Runner, RunnerEvents } from './thread/runner.js';
import type { MethodArgs, MethodName, MethodResult } from './wire/methods.js';

/** Base of the task queues; see {@link TaskQueue} for what each method promises. */
export abstract class QueueBase implements TaskQueue {
  /** @internal */
  protected readonly rounds: Rounds;

  /** @internal */
  protected constructor(settings: QueueSettings, order: Order, makeRunner: (events: RunnerEvents) => Runner) {
    const reports = new Reports(settings);
    const threads = new Threads(reports, makeRunner);
    const ledger = new Ledger(settings, threads, reports);
    const kickOut = new KickOut(settings, new Probes(threads), reports);
    this.rounds = new Rounds(settings, order, { threads, ledger, kickOut, reports });
  }

  /** In the names of workers, metrics and log lines. */
  get name(): string {
    return this.rounds.name;
  }

  /**
   * Drones that rounds skip until a probe or a `call` readmits them: see the option `kickOut`. A live view; a change
   * replaces the entry.
   */
  get kickedOut(): ReadonlyMap<AnyDrone, KickedOut> {
    return this.rounds.kickedOut;
  }

  execute(drones: Iterable<AnyDrone>, options?: RoundOptions & { wait?: true | undefined }): Promise<DroneResults>;
  /** Resolves without the results: `getResults` has them. */
  execute(drones: Iterable<AnyDrone>, options: RoundOptions & { wait: false }): Promise<void>;
  /** Where `wait` is known at run time only. */
  // eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- what the two above give
  execute(drones: Iterable<AnyDrone>, options: RoundOptions): Promise<DroneResults | void>;

  execute(drones: Iterable<AnyDrone>, options: RoundOptions = {}): Promise<DroneResults | void> {
    return this.#outside('execute', () => this.rounds.execute(drones, readOptions(ROUND, options)));
  }

  start(drones: Iterable<AnyDrone>, options: Omit<RoundOptions, 'wait'> = {}): StartedRound {
    const started = this.#outside('execute', async () => {
      const handedOver = this.rounds.execute(drones, readOptions(ROUND, { ...options, wait: false }));
      const round = this.rounds.latest;
      await handedOver;
      return round;
    });
    // A refusal is reported by `results`, which the caller may call much later.
    started.catch(() => undefined);
    const fetch = async (round: object | undefined): Promise<DroneResults> =>
      this.#outside('getResults', () => this.rounds.resultsOf(round));
    let results: Promise<DroneResults> | undefined;
    return { results: () => (results ??= started.then(fetch)) };
  }

  settle(drones: Iterable<AnyDrone>, options: Omit<RoundOptions, 'wait'> = {}): Promise<RoundOutcome> {
    return this.#outside('settle', () => this.rounds.settle(drones, readOptions(ROUND, options)));
  }

  waitOnDrones(): Promise<void> {
    return this.#outside('waitOnDrones', () => this.rounds.waitOnDrones());
  }

  getResults(): Promise<DroneResults> {
    return this.#outside('getResults', () => this.rounds.getResults());
  }

  call<M, K extends MethodName<M>>(
    drone: CallTarget<M>,
    method: K,
    ...args: MethodArgs<M, K>
  ): Promise<MethodResult<M, K>> {
    return this.#outside('call', () => this.rounds.call(drone, method, ...args));
  }

  close(options: CloseOptions = {}): Promise<CloseReport> {
    return this.#outside('close', () => this.rounds.close(readOptions(CLOSE, options).graceMs));
  }

  /** A store's section that writes refuses the call before anything is taken or started. */
  #outside<T>(method: string, work: () => Promise<T>): Promise<T> {
    return outsideSections(`${method} of the queue '${this.name}'`, work);
  }

  /** `close()`, without the report. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
