/** Runs what is queued on the drones, and tells what became of it. */
import type { Clock } from '../wait/clock.js';
import type { AnyDrone } from '../queue/drone/drone.js';
import { type DroneError, DroneTaskQueueException, summarize } from '../queue/drone/drone-error.js';
import { ERROR_KINDS } from '../queue/drone/error-kinds.js';
import type { Metrics } from '../report/metrics.js';
import type { RoundOutcome, TaskQueue } from '../queue/task-queue.js';
import type { FailedCopy, PendingCopy } from './copy.js';
import type { DroneStates } from './drone-states.js';
import { type ExecutionNotes, type ExecutionReport, Executions } from './executions.js';
import { Kills } from './kills.js';
import { Limit } from '../wait/limit.js';
import type { ManagedDrone } from './managed-drone.js';
import type { ManagerSettings } from './manager-options.js';
import { tellNotStarted } from './not-started.js';
import type { Pidfiles } from './pidfiles.js';
import { ResultsRepository } from './results-repository.js';

/** A drone's failure in a round of `executeActions`. */
export interface ActionFailure {
  readonly drone: AnyDrone;
  readonly error: DroneError;
}

/** What `executeActions` has done. */
export interface ActionReport extends ExecutionReport {
  /** Every round that it took, for `call.valueIn` of calls that you have queued yourself: of the results drone the last. */
  readonly outcomes: readonly RoundOutcome[];
  /** All failures of these rounds, in order; a drone of which several calls threw has several. */
  readonly failures: readonly ActionFailure[];
  /** Copies to the results repository that failed and are not tried again. Those in neither list are made. */
  readonly failedCopies: readonly FailedCopy[];
  /** Copies to the results repository that are left for the next `executeActions`. */
  readonly pendingCopies: readonly PendingCopy[];
  /** Why the queue has refused a round after the first: what that would have run is still queued. */
  readonly refused: DroneTaskQueueException | undefined;
}

export class Actions {
  readonly executions: Executions;
  readonly kills: Kills;
  readonly results: ResultsRepository;
  readonly #queue: TaskQueue;
  readonly #settings: ManagerSettings;
  readonly #metrics: Metrics;
  readonly #states: DroneStates;
  /** Of copies that are still to be made: a drone that is away is told once. */
  readonly #toldErrors = new WeakSet<Error>();

  constructor(queue: TaskQueue, settings: ManagerSettings, metrics: Metrics, states: DroneStates, pidfiles: Pidfiles) {
    this.#queue = queue;
    this.#settings = settings;
    this.#metrics = metrics;
    this.#states = states;
    this.executions = new Executions(pidfiles);
    this.kills = new Kills(settings, states, pidfiles);
    this.results = new ResultsRepository(settings.resultsDrone);
  }

  /** Rejects with the queue's refusal of the first round only, which leaves its calls where they were. */
  async run(drones: readonly ManagedDrone[], signal: AbortSignal | undefined): Promise<ActionReport> {
    const { clock, refreshTimeoutMs } = this.#settings;
    const work = new ActionWork(this.#queue, this.executions, this.results, signal);
    this.kills.queue(drones);
    try {
      await work.runCalls(drones);
      await work.runCopies(clock, refreshTimeoutMs);
      if (!drones.includes(this.results.drone)) await work.runCalls([this.results.drone]);
    } catch (error) {
      if (!(error instanceof DroneTaskQueueException) || work.told.outcomes.length === 0) throw error;
      work.told.refused = error;
    } finally {
      this.kills.settle(drones);
      // Whatever is thrown: what was done by then must not be lost.
      this.#take(work, drones);
    }
    return { ...work.notes, ...work.told, queued: this.executions.queued, pendingCopies: this.results.pending };
  }

  #take({ notes, told }: ActionWork, drones: readonly ManagedDrone[]): void {
    const { log } = this.#settings;
    for (const { id, error } of notes.failedToStart) tellNotStarted(this.#settings, this.#metrics, id, error);
    for (const { drone, error } of told.failures) {
      const { hostname } = drone;
      log.error(`actions on drone ${hostname} failed: ${summarize(error)}`, {
        hostname,
        error,
      });
      const managed = drones.find(each => each === drone);
      if (managed && ERROR_KINDS[error.kind].blames === 'drone') this.#states.failed(managed, error);
    }
    for (const { error, hostname, source } of told.failedCopies) {
      log.error(`cannot copy ${source} of ${hostname}: ${summarize(error)}`, {
        hostname,
        error,
      });
    }
    for (const { error, hostname, source } of this.results.pending) {
      if (!error || this.#toldErrors.has(error)) continue;
      this.#toldErrors.add(error);
      log.warn(`${source} of ${hostname} is not copied yet: ${summarize(error)}`, {
        hostname,
        error,
      });
    }
    const { refused } = told;
    if (refused) log.error(`a round of actions was refused: ${refused.message}`, { error: refused });
  }
}

/** One `executeActions`: what it has come to so far. */
class ActionWork {
  readonly notes: ExecutionNotes = { started: [], failedToStart: [], unsure: [] };
  readonly told = {
    outcomes: [] as RoundOutcome[],
    failures: [] as ActionFailure[],
    failedCopies: [] as FailedCopy[],
    refused: undefined as DroneTaskQueueException | undefined,
  };
  readonly #queue: TaskQueue;
  readonly #executions: Executions;
  readonly #results: ResultsRepository;
  readonly #signal: AbortSignal | undefined;

  constructor(queue: TaskQueue, executions: Executions, results: ResultsRepository, signal: AbortSignal | undefined) {
    this.#queue = queue;
    this.#executions = executions;
    this.#results = results;
    this.#signal = signal;
  }

  /** A call that failed has ended its batch: those behind it must not wait for the next tick. */
  async runCalls(drones: readonly ManagedDrone[]): Promise<void> {
    for (let left = drones; left.length > 0 && this.#signal?.aborted !== true;) left = await this.#round(left);
  }

  async runCopies(clock: Clock, limitMs: number): Promise<void> {
    if (this.#signal?.aborted === true) return;
    const isAway = ({ error: { kind } }: ActionFailure): boolean => ERROR_KINDS[kind].blames === 'drone';
    const away = this.told.failures.filter(isAway).map(({ drone }) => drone.hostname);
    const limit = new Limit([this.#signal], { clock, limitMs });
    try {
      this.told.failedCopies.push(...(await this.#results.runCopies(this.#queue, new Set(away), limit)));
    } finally {
      limit.release();
    }
  }

  /** Gives the drones that can go on: one call has failed, and others are left. Each time there are fewer calls. */
  async #round(drones: readonly ManagedDrone[]): Promise<ManagedDrone[]> {
    const batches = drones.map(drone => ({ drone, batch: this.#executions.send(drone) }));
    let outcome: RoundOutcome;
    try {
      // A drone that fails is no reason to leave the others alone, whatever the queue's own rule is.
      outcome = await this.#queue.settle(drones, { signal: this.#signal, stopOn: 'never' });
    } catch (error) {
      for (const each of batches) this.#executions.settle({ ...each, values: [], failure: undefined }, this.notes);
      throw error;
    }
    this.told.outcomes.push(outcome);
    const left: ManagedDrone[] = [];
    for (const { drone, batch } of batches) {
      const failure = outcome.failures.get(drone);
      const batchOutcome = { drone, batch, values: outcome.results.get(drone) ?? failure?.completed ?? [], failure };
      this.#executions.settle(batchOutcome, this.notes);
      this.told.failedCopies.push(...this.#results.settle(batchOutcome));
      if (!failure) continue;
      this.told.failures.push({ drone, error: failure });
      const calls = new Set(drone.getCalls());
      if (ERROR_KINDS[failure.kind].blames !== 'call' || calls.size === 0) continue;
      if (batch.some(call => !calls.has(call))) left.push(drone);
    }
    return left;
  }
}
