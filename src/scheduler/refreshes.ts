/** The refreshes of a drone manager, one at a time, from the request until `take` applies what it found. */
import type { AnyDrone } from '../queue/drone/drone.js';
import { DroneManagerError } from './drone-manager-error.js';
import { Deadline } from '../wait/deadline.js';
import { type ManagerParts, reportNotStarted } from './manager-parts.js';
import type { PidfileId } from './pidfile.js';
import type { ManagedDrone } from './managed-drone.js';
import { type RefreshAnswer, type RefreshRequest, RefreshRound } from './refresh-round.js';
import { Snapshot } from './snapshot.js';

/** The outcome of a refresh; empty if none was triggered. */
export interface RefreshReport {
  /** Drones that answered. A drone that has failed since the refresh was triggered is stale nevertheless. */
  readonly refreshed: readonly AnyDrone[];
  /** Drones that did not answer. They are stale; the manager keeps the last known data about them. */
  readonly failures: ReadonlyMap<AnyDrone, Error>;
  /** Commands that were `unsure` and are now `not-started`: they certainly have not started. */
  readonly notStarted: readonly PidfileId[];
}

interface Refresh {
  readonly round: RefreshRound;
  readonly leftOut: ReadonlyMap<ManagedDrone, Error>;
}

export class Refreshes {
  readonly #parts: ManagerParts;
  readonly #closing: AbortSignal;
  #refresh: Refresh | undefined;

  constructor(parts: ManagerParts, closing: AbortSignal) {
    this.#parts = parts;
    this.#closing = closing;
  }

  /** Resolves when the queue is free for other rounds. */
  async ended(): Promise<void> {
    await this.#refresh?.round.ended;
  }

  /**
   * The caller first takes the previous refresh. Leaves out drones with other calls queued; throws before it asks any
   * drone.
   */
  async start(drones: readonly ManagedDrone[], resultsDir: string, signal: AbortSignal | undefined): Promise<void> {
    const { queue, settings, states, pidfiles } = this.#parts;
    const { clock, refreshTimeoutMs: timeoutMs } = settings;
    const leftOut = new Map<ManagedDrone, Error>();
    const requests: RefreshRequest[] = [];
    for (const drone of drones) {
      const calls = drone.getCalls();
      if (calls.length > 0) {
        leftOut.set(drone, callsLeft(drone, calls));
        continue;
      }
      const newDir = states.isInitialized(drone) ? undefined : resultsDir;
      requests.push({ drone, resultsDir: newDir, pidfiles: pidfiles.of(drone), timeoutMs });
    }
    const deadline = new Deadline([signal, this.#closing]);
    const release = (): void => deadline.release();
    let round;
    try {
      round = await RefreshRound.start(queue, requests, deadline.signal, clock.nowMs());
    } catch (error) {
      release();
      throw error;
    }
    // `take` reports a rejection.
    round.ended.then(release, release);
    this.#refresh = { round, leftOut };
    for (const [drone, error] of leftOut) states.failed(drone, error);
    this.#growOlder();
  }

  /** Waits for the refresh and applies what it found. */
  async take(): Promise<RefreshReport> {
    const { settings, metrics, states, pidfiles } = this.#parts;
    const refresh = this.#refresh;
    if (!refresh) return { refreshed: [], failures: new Map(), notStarted: [] };
    const { round, leftOut } = refresh;
    let answers;
    try {
      answers = await round.ended;
    } finally {
      this.#refresh = undefined;
    }
    metrics.timing('refresh', settings.clock.nowMs() - round.askedAtMs);

    const refreshed: AnyDrone[] = [];
    const failures = new Map<AnyDrone, Error>(leftOut);
    const notStarted: PidfileId[] = [];
    for (const answer of answers) {
      const { drone } = answer;
      if (answer.initialized && !states.isInitialized(drone)) states.initialized(drone);
      const snapshot = snapshotIn(answer, round.askedAtMs);
      if (snapshot instanceof Error) {
        states.failed(drone, snapshot);
        failures.set(drone, snapshot);
        continue;
      }
      states.refreshed(drone, snapshot);
      refreshed.push(drone);
      for (const [pidfile, state] of answer.states) {
        // Skips pidfiles that are gone, or of which more has become known meanwhile.
        if (!pidfiles.has(pidfile) || pidfile.state !== state) continue;
        if (pidfile.observe(snapshot, settings.startGraceMs) !== 'not-started') continue;
        notStarted.push(pidfile.id);
        reportNotStarted(this.#parts, pidfile.id);
      }
    }
    return { refreshed, failures, notStarted };
  }

  #growOlder(): void {
    const { settings, pidfiles } = this.#parts;
    for (const { id } of pidfiles.growOlder(settings.maxPidfileAge)) {
      settings.log.warn(`pidfile ${id.path} of ${id.hostname} was forgotten: no caller has requested it`, { ...id });
    }
  }
}

function snapshotIn({ drone, value, failure }: RefreshAnswer, askedAtMs: number): Snapshot | Error {
  if (failure) return failure;
  try {
    return new Snapshot(drone.hostname, askedAtMs, value);
  } catch (cause) {
    return new DroneManagerError('ERR_BAD_REFRESH', `drone ${drone.hostname} returned no refresh`, { cause });
  }
}

function callsLeft({ hostname }: AnyDrone, calls: readonly unknown[]): Error {
  const shown = calls.slice(0, 3).map(String).join(', ');
  const more = calls.length > 3 ? ` and ${String(calls.length - 3)} more` : '';
  return new DroneManagerError(
    'ERR_CALLS_LEFT',
    `drone ${hostname} has calls left that did not run: ${shown}${more}; executeActions runs them`,
  );
}
