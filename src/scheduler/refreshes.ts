/** The refreshes of a drone manager, one after another: from the asking until somebody takes over what was found. */
import type { AnyDrone } from '../queue/drone/drone.js';
import type { Metrics } from '../report/metrics.js';
import type { TaskQueue } from '../queue/task-queue.js';
import { DroneManagerError } from './drone-manager-error.js';
import type { DroneStates } from './drone-states.js';
import { Limit } from '../wait/limit.js';
import type { ManagerSettings } from './manager-options.js';
import { tellNotStarted } from './not-started.js';
import type { PidfileId } from './pidfile.js';
import type { Pidfiles } from './pidfiles.js';
import type { ManagedDrone } from './managed-drone.js';
import { type RefreshAnswer, type RefreshOrder, RefreshRound } from './refresh-round.js';
import { Snapshot } from './snapshot.js';

/** What a refresh has come to. Empty when none was triggered. */
export interface RefreshReport {
  /** What is known of them is new. One that has failed since the refresh was triggered is stale all the same. */
  readonly refreshed: readonly AnyDrone[];
  /** They keep what was known of them, and are stale. */
  readonly failures: ReadonlyMap<AnyDrone, Error>;
  /** Commands that were unsure, and have certainly not started: their state is now `not-started`. */
  readonly notStarted: readonly PidfileId[];
}

interface Refresh {
  readonly round: RefreshRound;
  /** Left out of it, and why. */
  readonly leftOut: ReadonlyMap<ManagedDrone, Error>;
}

export class Refreshes {
  readonly #queue: TaskQueue;
  readonly #settings: ManagerSettings;
  readonly #metrics: Metrics;
  readonly #states: DroneStates;
  readonly #pidfiles: Pidfiles;
  readonly #closing: AbortSignal;
  #refresh: Refresh | undefined;

  constructor(
    queue: TaskQueue,
    settings: ManagerSettings,
    metrics: Metrics,
    states: DroneStates,
    pidfiles: Pidfiles,
    closing: AbortSignal,
  ) {
    this.#queue = queue;
    this.#closing = closing;
    this.#settings = settings;
    this.#metrics = metrics;
    this.#states = states;
    this.#pidfiles = pidfiles;
  }

  /** When the queue is free for other rounds. */
  async ended(): Promise<void> {
    await this.#refresh?.round.ended;
  }

  /** Only when the one before was taken over. All or nothing, but for drones on which others have left calls. */
  async start(drones: readonly ManagedDrone[], resultsDir: string, signal: AbortSignal | undefined): Promise<void> {
    const leftOut = new Map<ManagedDrone, Error>();
    const { refreshTimeoutMs: timeoutMs } = this.#settings;
    const orders: RefreshOrder[] = [];
    for (const drone of drones) {
      const calls = drone.getCalls();
      if (calls.length > 0) leftOut.set(drone, callsLeft(drone, calls));
      else {
        const isNew = !this.#states.isInitialized(drone);
        orders.push({
          drone,
          resultsDir: isNew ? resultsDir : undefined,
          pidfiles: this.#pidfiles.of(drone),
          timeoutMs,
        });
      }
    }
    const limit = new Limit([signal, this.#closing]);
    const askedAtMs = this.#settings.clock.nowMs();
    let round;
    try {
      round = await RefreshRound.start(this.#queue, orders, limit.signal, askedAtMs);
    } catch (error) {
      limit.release();
      throw error;
    }
    // Before whoever takes it over: that it rejects is theirs to tell.
    const release = (): void => {
      limit.release();
    };
    round.ended.then(release, release);
    this.#refresh = { round, leftOut };
    for (const [drone, error] of leftOut) this.#states.failed(drone, error);
    this.#growOlder();
  }

  /** Waits for it, and takes over what it has found. */
  async take(): Promise<RefreshReport> {
    const refresh = this.#refresh;
    if (!refresh) return { refreshed: [], failures: new Map(), notStarted: [] };
    const { round, leftOut } = refresh;
    let answers;
    try {
      answers = await round.ended;
    } finally {
      this.#refresh = undefined;
    }
    const { clock, startGraceMs } = this.#settings;
    this.#metrics.timing('refresh', clock.nowMs() - round.askedAtMs);

    const refreshed: AnyDrone[] = [];
    const failures = new Map<AnyDrone, Error>(leftOut);
    const notStarted: PidfileId[] = [];
    for (const answer of answers) {
      const { drone, states } = answer;
      if (answer.initialized && !this.#states.isInitialized(drone)) this.#states.initialized(drone);
      const snapshot = snapshotIn(answer, round.askedAtMs);
      if (snapshot instanceof Error) {
        this.#states.failed(drone, snapshot);
        failures.set(drone, snapshot);
        continue;
      }
      this.#states.refreshed(drone, snapshot);
      refreshed.push(drone);
      for (const [pidfile, state] of states) {
        // Of those that are gone, or of which more has become known meanwhile, it has nothing to tell.
        if (!this.#pidfiles.has(pidfile) || pidfile.state !== state) continue;
        if (pidfile.observe(snapshot, startGraceMs) !== 'not-started') continue;
        notStarted.push(pidfile.id);
        tellNotStarted(this.#settings, this.#metrics, pidfile.id);
      }
    }
    return { refreshed, failures, notStarted };
  }

  #growOlder(): void {
    const { log, maxPidfileAge } = this.#settings;
    for (const { id } of this.#pidfiles.growOlder(maxPidfileAge)) {
      log.warn(`pidfile ${id.path} of ${id.hostname} is forgotten: nobody has asked for it`, {
        ...id,
      });
    }
  }
}

function snapshotIn({ drone, value, failure }: RefreshAnswer, askedAtMs: number): Snapshot | Error {
  if (failure) return failure;
  try {
    return new Snapshot(drone.hostname, askedAtMs, value);
  } catch (cause) {
    return new DroneManagerError('ERR_BAD_REFRESH', `drone ${drone.hostname} gave no refresh`, { cause });
  }
}

function callsLeft({ hostname }: AnyDrone, calls: readonly unknown[]): Error {
  const shown = calls.slice(0, 3).map(String).join(', ');
  const more = calls.length > 3 ? ` and ${String(calls.length - 3)} more` : '';
  return new DroneManagerError('ERR_CALLS_LEFT', `drone ${hostname} has calls left that did not run: ${shown}${more}`);
}
