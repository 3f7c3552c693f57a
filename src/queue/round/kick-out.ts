/**
 * Which drones rounds skip, and how they come back.
 *
 * A drone is *in* while its rounds in a row without connection or answer stay below `afterFailures`. Then it is kicked
 * *out*: rounds fail its batch unstarted, and it is probed at intervals. An answered probe or `call` readmits it *on
 * trial*: in, but one failure short of being out, until a round shows that it answers.
 *
 * Invariants: until the queue closes, a drone that is out has a timer or a running probe; no drone has two probes.
 */
import { systemClock, type Timer } from '../../wait/clock.js';
import { type AnyDrone, endpointOf } from '../drone/drone.js';
import { DroneError } from '../drone/drone-error.js';
import { Semaphore } from '../../wait/semaphore.js';
import type { QueueSettings } from '../queue-options.js';
import type { ProbeFailure, Probes } from './probes.js';
import type { Reports } from './reports.js';
import { signOfLife } from './sign-of-life.js';

/** Spreads the probes of drones that went out together. */
const JITTER = 0.1;
/** Share of a thread's turns to connect that probes may take. */
const SHARE_OF_TURNS = 0.5;
/** A probe ends this long after its time to connect, which LONGEST_CONNECT_MS bounds: a hung thread does not answer. */
const MARGIN_MS = 30_000;
const LONGEST_CONNECT_MS = 600_000;

/** A drone that rounds skip. */
export interface KickedOut {
  /** When it was kicked out. */
  readonly since: Date;
  /** Its last failure: the one that caused the kick-out, or that of the last probe. */
  readonly cause: DroneError;
  /** Time of the next probe; in the past while a probe runs or waits for its turn. */
  readonly probeAt: Date;
}

export class KickOut {
  readonly #settings: QueueSettings;
  readonly #afterFailures: number;
  readonly #probes: Probes;
  readonly #reports: Reports;
  readonly #kickedOut = new Map<AnyDrone, KickedOut>();
  /** Failures in a row of drones that are in. */
  readonly #failures = new WeakMap<AnyDrone, number>();
  readonly #timers = new Map<AnyDrone, Timer>();
  readonly #probing = new WeakSet<AnyDrone>();
  readonly #turns: Semaphore;
  readonly #closing = new AbortController();

  constructor(settings: QueueSettings, probes: Probes, reports: Reports) {
    this.#settings = settings;
    this.#afterFailures = settings.kickOut?.afterFailures ?? Infinity;
    this.#probes = probes;
    this.#reports = reports;
    this.#turns = new Semaphore(Math.max(1, Math.floor(settings.maxConnecting * SHARE_OF_TURNS)));
  }

  get kickedOut(): ReadonlyMap<AnyDrone, KickedOut> {
    return this.#kickedOut;
  }

  roundEnded(drone: AnyDrone, failure: DroneError | undefined): void {
    const sign = signOfLife(failure);
    if (sign === 'answers') this.#failures.delete(drone);
    if (failure === undefined || sign !== 'silent') return;
    const failures = (this.#failures.get(drone) ?? 0) + 1;
    this.#failures.set(drone, failures);
    if (failures >= this.#afterFailures) this.#kickOut(drone, failures, failure);
  }

  /** A call beside rounds has ended: for a drone that is out it counts as a probe. */
  callEnded(drone: AnyDrone, failure: DroneError | undefined): void {
    const out = this.#kickedOut.get(drone);
    if (out === undefined) return;
    const sign = signOfLife(failure);
    if (sign === 'answers') this.#readmit(drone, out);
    else if (failure !== undefined && sign === 'silent') this.#kickedOut.set(drone, { ...out, cause: failure });
  }

  /** Stops probing. Drones that are out stay listed. */
  close(): void {
    this.#closing.abort();
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    this.#probes.close();
  }

  #kickOut(drone: AnyDrone, failures: number, cause: DroneError): void {
    this.#schedule(drone, { since: new Date(), cause });
    this.#reports.kickedOut(drone.hostname, failures, cause, this.#kickedOut.size);
  }

  #readmit(drone: AnyDrone, { since }: KickedOut): void {
    this.#timers.get(drone)?.cancel();
    this.#timers.delete(drone);
    this.#kickedOut.delete(drone);
    this.#failures.set(drone, this.#afterFailures - 1);
    this.#reports.readmitted(drone.hostname, since, this.#kickedOut.size);
  }

  #schedule(drone: AnyDrone, { since, cause }: Omit<KickedOut, 'probeAt'>): void {
    const { probeEveryMs = Infinity } = this.#settings.kickOut ?? {};
    const delayMs = probeEveryMs * (1 - JITTER + 2 * JITTER * Math.random());
    this.#kickedOut.set(drone, { since, cause, probeAt: new Date(Date.now() + delayMs) });
    if (this.#closing.signal.aborted) return;
    this.#timers.get(drone)?.cancel();
    const timer = systemClock.setTimer(delayMs, () => {
      this.#timers.delete(drone);
      void this.#probe(drone);
    });
    timer.unref();
    this.#timers.set(drone, timer);
  }

  async #probe(drone: AnyDrone): Promise<void> {
    // A probe from before a readmission by hand and a second kick-out still runs; its end schedules the next.
    if (this.#probing.has(drone)) return;
    this.#probing.add(drone);
    const failure = await this.#probeInTurn(drone);
    this.#probing.delete(drone);
    const out = this.#kickedOut.get(drone);
    if (out === undefined || this.#closing.signal.aborted) return;
    if (failure === undefined) {
      this.#readmit(drone, out);
      return;
    }
    this.#reports.probeFailed(drone.hostname, failure);
    // A failure that shows nothing of the drone, such as a dead thread, does not replace the cause.
    this.#schedule(drone, signOfLife(failure) === 'silent' ? { ...out, cause: failure } : out);
  }

  /** Resolves with undefined when the drone has answered or the probe is no longer needed. */
  async #probeInTurn(drone: AnyDrone): Promise<DroneError | undefined> {
    let leave: () => void;
    try {
      leave = await this.#turns.enter(this.#closing.signal);
    } catch {
      return undefined; // closed
    }
    try {
      if (this.#closing.signal.aborted || !this.#kickedOut.has(drone)) return undefined;
      const endpoint = endpointOf(drone);
      const { connectTimeoutMs = this.#settings.connectTimeoutMs } = endpoint.spec;
      const failure = await this.#probes.ask(endpoint, Math.min(connectTimeoutMs, LONGEST_CONNECT_MS) + MARGIN_MS);
      return failure && errorOf(drone, failure);
    } finally {
      leave();
    }
  }
}

function errorOf({ hostname }: AnyDrone, { kind, phase, error: cause }: ProbeFailure): DroneError {
  const attempts = phase === 'waiting' || phase === 'call' ? 0 : 1;
  return new DroneError({ kind, hostname, phase, attempts, cause, completed: [], mayHaveRun: [], notStarted: [] });
}
