/** Runs what is queued on the drones, and tells what became of it. */
import type { Clock } from '../clock.js';
import type { AnyDrone } from '../drone/drone.js';
import { type DroneError, type DroneErrorKind, summarize } from '../drone-error.js';
import type { Stats } from '../stats.js';
import type { RoundOutcome, TaskQueue } from '../task-queue.js';
import type { DroneStates } from './drone-states.js';
import { type ExecutionNotes, type ExecutionReport, Executions } from './executions.js';
import type { ManagedDrone } from './managed-drone.js';
import type { ManagerSettings } from './manager-options.js';
import { tellNotStarted } from './not-started.js';
import type { Pidfiles } from './pidfiles.js';
import { type FailedCopy, ResultsRepository } from './results-repository.js';

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
  /** Copies to the results repository that failed and are not tried again. */
  readonly failedCopies: readonly FailedCopy[];
}

export class Actions {
  readonly executions = new Executions();
  readonly results: ResultsRepository;
  readonly #queue: TaskQueue;
  readonly #settings: ManagerSettings;
  readonly #stats: Stats;
  readonly #states: DroneStates;
  readonly #pidfiles: Pidfiles;

  constructor(queue: TaskQueue, settings: ManagerSettings, stats: Stats, states: DroneStates, pidfiles: Pidfiles) {
    this.#queue = queue;
    this.#settings = settings;
    this.#stats = stats;
    this.#states = states;
    this.#pidfiles = pidfiles;
    this.results = new ResultsRepository(settings.resultsDrone);
  }

  /** Rejects with the queue's refusal of a round only, which leaves its calls where they were. */
  async run(drones: readonly ManagedDrone[], signal: AbortSignal | undefined): Promise<ActionReport> {
    const work = new ActionWork(this.#queue, this.executions, this.results, signal, this.#settings.clock);
    try {
      await work.runCalls(drones);
      await work.runCopies();
      if (!drones.includes(this.results.drone)) await work.runCalls([this.results.drone]);
    } finally {
      // Also when a later round is refused: what the earlier ones did must not be lost.
      this.#take(work, drones);
    }
    return { ...work.notes, ...work.told, queued: this.executions.queued };
  }

  #take({ notes, told }: ActionWork, drones: readonly ManagedDrone[]): void {
    const { log, name } = this.#settings;
    for (const { id, error } of notes.failedToStart) {
      const pidfile = this.#pidfiles.get(id);
      if (pidfile) this.#pidfiles.delete(pidfile);
      tellNotStarted(this.#settings, this.#stats, id, error);
    }
    for (const { drone, error } of told.failures) {
      const { hostname } = drone;
      log.error(`${name}: actions on drone ${hostname} failed: ${summarize(error)}`, {
        manager: name,
        hostname,
        error,
      });
      const managed = drones.find(each => each === drone);
      if (managed && isDronesFault(error)) this.#states.failed(managed, error);
    }
    for (const { error, hostname, source } of told.failedCopies) {
      log.error(`${name}: cannot copy ${source} of ${hostname}: ${summarize(error)}`, {
        manager: name,
        hostname,
        error,
      });
    }
  }
}

/** One `executeActions`: what it has come to so far. */
class ActionWork {
  readonly notes: ExecutionNotes = { started: [], failedToStart: [], unsure: [] };
  readonly told = {
    outcomes: [] as RoundOutcome[],
    failures: [] as ActionFailure[],
    failedCopies: [] as FailedCopy[],
  };
  readonly #queue: TaskQueue;
  readonly #executions: Executions;
  readonly #results: ResultsRepository;
  readonly #signal: AbortSignal | undefined;
  readonly #clock: Clock;

  constructor(
    queue: TaskQueue,
    executions: Executions,
    results: ResultsRepository,
    signal: AbortSignal | undefined,
    clock: Clock,
  ) {
    this.#queue = queue;
    this.#executions = executions;
    this.#results = results;
    this.#signal = signal;
    this.#clock = clock;
  }

  async runCalls(drones: readonly ManagedDrone[]): Promise<void> {
    // A call that threw has ended its batch: the others must not wait for the next tick. Each round has one fewer.
    for (let left = drones; left.length > 0 && this.#signal?.aborted !== true;) {
      const { failures } = await this.#round(left);
      left = left.filter(drone => failures.get(drone)?.kind === 'call' && drone.getCalls().length > 0);
    }
  }

  async runCopies(): Promise<void> {
    if (this.#signal?.aborted === true) return;
    const away = new Set(this.told.failures.filter(({ error }) => isDronesFault(error)).map(({ drone }) => drone));
    this.told.failedCopies.push(...(await this.#results.runCopies(this.#queue, away)));
  }

  async #round(drones: readonly ManagedDrone[]): Promise<RoundOutcome> {
    const batches = drones.map(drone => ({ drone, batch: drone.getCalls() }));
    const outcome = await this.#queue.settle(drones, { signal: this.#signal });
    this.told.outcomes.push(outcome);
    for (const { drone, batch } of batches) {
      const failure = outcome.failures.get(drone);
      if (failure) this.told.failures.push({ drone, error: failure });
      const batchOutcome = { drone, batch, values: outcome.results.get(drone) ?? failure?.completed ?? [], failure };
      this.#executions.settle(batchOutcome, this.#clock.nowMs(), this.notes);
      this.told.failedCopies.push(...this.#results.settle(batchOutcome));
    }
    return outcome;
  }
}

/** Failures that say nothing of the drone: it answered, or was not asked. */
const OF_THE_CALLER: readonly DroneErrorKind[] = ['call', 'not-cloneable', 'callback', 'cancelled', 'not-contacted'];

/** Whether a drone that failed so may not be what it was. */
function isDronesFault({ kind }: DroneError): boolean {
  return !OF_THE_CALLER.includes(kind);
}
