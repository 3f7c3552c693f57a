/**
 * Which drones rounds leave alone, and how they come back.
 *
 * A drone is *in*, and its failures are counted: rounds in a row that show that it does not connect or answer. At
 * `afterFailures` it is kicked *out*: rounds fail its batch unstarted, and it is probed from time to time. A probe that
 * it answers, or a call by hand, readmits it *on trial*: in, but one failure short of being out, until a round shows that
 * it answers.
 *
 * Invariants: a drone that is out has a timer or a probe under way, until the queue is closed; no drone has two probes.
 */
import { systemClock, type Timer } from '../../wait/clock.js';
import { type AnyDrone, endpointOf } from '../drone/drone.js';
import { DroneError } from '../drone/drone-error.js';
import { Line } from '../../wait/line.js';
import type { QueueSettings } from '../queue-options.js';
import type { ProbeFailure, Probes } from './probes.js';
import type { Reports } from './reports.js';
import { signOfLife } from './sign-of-life.js';

/** Drones of a rack that went out together are not to be probed together. */
const JITTER = 0.1;
/** Of a thread's turns to connect, probes take no more: the others are for rounds. */
const SHARE_OF_TURNS = 0.5;
/**
 * A probe is given up so long after it should have connected, for its turn and the way there: a thread that hangs says
 * nothing. However long connecting may take, this is what a probe has for it.
 */
const MARGIN_MS = 30_000;
const LONGEST_CONNECT_MS = 600_000;

/** A drone that rounds leave alone. */
export interface KickedOut {
  /** When it was kicked out. */
  readonly since: Date;
  /** Its last failure: what kicked it out, or what the last probe came to. */
  readonly cause: DroneError;
  /** When it is probed next; in the past while a probe waits for its turn or is under way. */
  readonly probeAt: Date;
}

export class KickOut {
  readonly #settings: QueueSettings;
  readonly #afterFailures: number;
  readonly #probes: Probes;
  readonly #reports: Reports;
  readonly #kickedOut = new Map<AnyDrone, KickedOut>();
  /** In a row, by drones that are in. */
  readonly #failures = new WeakMap<AnyDrone, number>();
  readonly #timers = new Map<AnyDrone, Timer>();
  readonly #probing = new WeakSet<AnyDrone>();
  readonly #turns: Line;
  readonly #closing = new AbortController();

  /** Without the option `kickOut` nobody is ever out. */
  constructor(settings: QueueSettings, probes: Probes, reports: Reports) {
    this.#settings = settings;
    this.#afterFailures = settings.kickOut?.afterFailures ?? Infinity;
    this.#probes = probes;
    this.#reports = reports;
    this.#turns = new Line(Math.max(1, Math.floor(settings.maxConnecting * SHARE_OF_TURNS)));
  }

  get kickedOut(): ReadonlyMap<AnyDrone, KickedOut> {
    return this.#kickedOut;
  }

  /** A round's work for the drone has ended. */
  roundEnded(drone: AnyDrone, failure: DroneError | undefined): void {
    const sign = signOfLife(failure);
    if (sign === 'answers') this.#failures.delete(drone);
    if (failure === undefined || sign !== 'silent') return;
    const failures = (this.#failures.get(drone) ?? 0) + 1;
    this.#failures.set(drone, failures);
    if (failures >= this.#afterFailures) this.#kickOut(drone, failures, failure);
  }

  /** A call beside rounds has ended: to a drone that is out it was a probe by hand, to others it is nothing. */
  callEnded(drone: AnyDrone, failure: DroneError | undefined): void {
    const out = this.#kickedOut.get(drone);
    if (out === undefined) return;
    const sign = signOfLife(failure);
    if (sign === 'answers') this.#readmit(drone, out);
    else if (failure !== undefined && sign === 'silent') this.#kickedOut.set(drone, { ...out, cause: failure });
  }

  /** No probe starts any more. Who is out stays listed. */
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
    // One is under way from before it was readmitted by hand and kicked out again; the next is set when that ends.
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
    // What tells nothing of the drone, such as the death of its thread, is not why it is out.
    this.#schedule(drone, signOfLife(failure) === 'silent' ? { ...out, cause: failure } : out);
  }

  /** Resolves with undefined when the drone has answered, or need not be asked any more. */
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
