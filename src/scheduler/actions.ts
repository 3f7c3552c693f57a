/** Runs the calls, copies and kills that are queued, and reports what became of them. */
import type { AnyDrone } from '../queue/drone/drone.js';
import { type DroneError, DroneTaskQueueException, summarize } from '../queue/drone/drone-error.js';
import { ERROR_KINDS } from '../queue/drone/error-kinds.js';
import type { RoundOutcome } from '../queue/task-queue.js';
import type { FailedCopy, PendingCopy } from './copy.js';
import { type ExecutionNotes, type ExecutionReport, Executions } from './executions.js';
import { Kills } from './kills.js';
import { Deadline } from '../wait/deadline.js';
import type { ManagedDrone } from './managed-drone.js';
import { type ManagerParts, reportNotStarted } from './manager-parts.js';
import { ResultsRepository } from './results-repository.js';

/** A drone's failure in a round of `executeActions`. */
export interface ActionFailure {
  readonly drone: AnyDrone;
  readonly error: DroneError;
}

/** What `executeActions` has done. */
export interface ActionReport extends ExecutionReport {
  /**
   * The outcomes of its rounds, for `call.valueIn` of calls that you queued yourself. The results drone's round comes
   * last.
   */
  readonly outcomes: readonly RoundOutcome[];
  /** All failures of these rounds, in order. A drone has several if several of its calls threw. */
  readonly failures: readonly ActionFailure[];
  /** Copies to the results repository that failed and are not retried. Copies that are in neither list are done. */
  readonly failedCopies: readonly FailedCopy[];
  /** Copies that the next `executeActions` retries or continues. */
  readonly pendingCopies: readonly PendingCopy[];
  /** Why the queue refused a round after the first. The calls of that round are still queued. */
  readonly refused: DroneTaskQueueException | undefined;
}

export class Actions {
  readonly executions: Executions;
  readonly kills: Kills;
  readonly results: ResultsRepository;
  readonly #parts: ManagerParts;
  /** Errors of pending copies that were logged: each is logged once. */
  readonly #logged = new WeakSet<Error>();

  constructor(parts: ManagerParts) {
    this.#parts = parts;
    this.executions = new Executions(parts.pidfiles);
    this.kills = new Kills(parts);
    this.results = new ResultsRepository(parts.settings.resultsDrone);
  }

  /** Rejects with the queue's refusal of the first round only, which leaves its calls where they were. */
  async run(drones: readonly ManagedDrone[], signal: AbortSignal | undefined): Promise<ActionReport> {
    const progress = newProgress();
    this.kills.queue(drones);
    try {
      await this.#runCalls(drones, signal, progress);
      if (signal?.aborted !== true) await this.#runCopies(signal, progress);
      if (!drones.includes(this.results.drone)) await this.#runCalls([this.results.drone], signal, progress);
    } catch (error) {
      if (!(error instanceof DroneTaskQueueException) || progress.outcomes.length === 0) throw error;
      progress.refused = error;
    } finally {
      this.kills.settle(drones);
      // Also when an error is thrown: what was done by then must not be lost.
      this.#report(progress, drones);
    }
    return { ...progress, queued: this.executions.queued, pendingCopies: this.results.pending };
  }

  /** A failed call ends its batch, so further rounds run the calls behind it, which must not wait for the next tick. */
  async #runCalls(drones: readonly ManagedDrone[], signal: AbortSignal | undefined, progress: Progress): Promise<void> {
    for (let left = drones; left.length > 0 && signal?.aborted !== true;) {
      left = await this.#round(left, signal, progress);
    }
  }

  async #runCopies(signal: AbortSignal | undefined, progress: Progress): Promise<void> {
    const { queue, settings } = this.#parts;
    const away = progress.failures.filter(({ error }) => isAway(error)).map(({ drone }) => drone.hostname);
    const deadline = new Deadline([signal], { clock: settings.clock, limitMs: settings.refreshTimeoutMs });
    try {
      progress.failedCopies.push(...(await this.results.between.run(queue, new Set(away), deadline)));
    } finally {
      deadline.release();
    }
  }

  /** Returns the drones with calls left behind a failed one. Each round leaves fewer calls. */
  async #round(
    drones: readonly ManagedDrone[],
    signal: AbortSignal | undefined,
    progress: Progress,
  ): Promise<ManagedDrone[]> {
    const batches = drones.map(drone => ({ drone, batch: this.executions.send(drone) }));
    let outcome: RoundOutcome;
    try {
      // Whatever the queue's own rules are: a failing drone must not stop the others, and calls behind a failed one go on.
      outcome = await this.#parts.queue.settle(drones, { signal, stopOn: 'never', leftovers: 'requeue' });
    } catch (error) {
      for (const each of batches) this.executions.settle({ ...each, values: [], failure: undefined }, progress);
      throw error;
    }
    progress.outcomes.push(outcome);
    const left: ManagedDrone[] = [];
    for (const { drone, batch } of batches) {
      const failure = outcome.failures.get(drone);
      const batchOutcome = {
        drone,
        batch,
        values: [...(outcome.results.get(drone) ?? failure?.completed ?? [])],
        failure,
      };
      this.executions.settle(batchOutcome, progress);
      progress.failedCopies.push(...this.results.settle(batchOutcome));
      if (!failure) continue;
      progress.failures.push({ drone, error: failure });
      const calls = new Set(drone.getCalls());
      if (ERROR_KINDS[failure.kind].blames !== 'call' || calls.size === 0) continue;
      if (batch.some(call => !calls.has(call))) left.push(drone);
    }
    return left;
  }

  #report({ failedToStart, failures, failedCopies, refused }: Progress, drones: readonly ManagedDrone[]): void {
    const { settings, states } = this.#parts;
    const { log } = settings;
    for (const { id, error } of failedToStart) reportNotStarted(this.#parts, id, error);
    for (const { drone, error } of failures) {
      const { hostname } = drone;
      // The queue has logged that it was kicked out, once.
      const level = error.kind === 'kicked-out' ? 'debug' : 'error';
      log[level](`actions on drone ${hostname} failed: ${summarize(error)}`, { hostname, error });
      const managed = drones.find(each => each === drone);
      if (managed && isAway(error)) states.failed(managed, error);
    }
    for (const { error, hostname, source } of failedCopies) {
      log.error(`cannot copy ${source} of ${hostname}: ${summarize(error)}`, { hostname, error });
    }
    for (const { error, hostname, source } of this.results.pending) {
      if (!error || this.#logged.has(error)) continue;
      this.#logged.add(error);
      log.warn(`${source} of ${hostname} is not copied yet: ${summarize(error)}`, { hostname, error });
    }
    if (refused) log.error(`a round of actions was refused: ${refused.message}`, { error: refused });
  }
}

/** The report of one `executeActions` while it runs. */
interface Progress extends ExecutionNotes {
  readonly outcomes: RoundOutcome[];
  readonly failures: ActionFailure[];
  readonly failedCopies: FailedCopy[];
  refused: DroneTaskQueueException | undefined;
}

function newProgress(): Progress {
  return {
    started: [],
    failedToStart: [],
    unsure: [],
    outcomes: [],
    failures: [],
    failedCopies: [],
    refused: undefined,
  };
}

function isAway({ kind }: DroneError): boolean {
  return ERROR_KINDS[kind].blames === 'drone';
}
