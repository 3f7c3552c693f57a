/** Returns the calls that a round has not run to their drones' queues, or drops them, and warns before they pile up. */
import { type AnyDrone, returnWorkload, type Workload } from '../drone/drone.js';
import type { Call } from '../drone/call.js';
import type { LeftoversRule } from '../queue-options.js';
import type { Reports } from './reports.js';

/** Rounds in a row after which a drone's carried calls are a sign of trouble. */
const WARN_AFTER_ROUNDS = 3;

export class Leftovers {
  readonly #reports: Reports;
  /** Calls carried over, by drone of the current round. */
  readonly #carried = new Map<AnyDrone, ReadonlySet<Call>>();
  /** How many rounds in a row carried a call over again, and the calls of the last of them. */
  readonly #rows = new WeakMap<AnyDrone, { readonly rounds: number; readonly calls: ReadonlySet<Call> }>();

  constructor(reports: Reports) {
    this.#reports = reports;
  }

  /** Calls that the round has carried over. */
  get count(): number {
    let count = 0;
    for (const calls of this.#carried.values()) count += calls.size;
    return count;
  }

  roundStarts(): void {
    this.#carried.clear();
  }

  /** Takes the calls that a batch did not run and that may run later. */
  take(drone: AnyDrone, workload: Workload, rule: LeftoversRule): void {
    if (rule === 'requeue') {
      returnWorkload(drone, workload);
      if (workload.calls.length > 0) this.#carried.set(drone, new Set(workload.calls));
    } else {
      for (const { reader } of workload.calls) reader?.end();
      if (workload.kills.length > 0) this.#reports.killsDropped(drone, workload.kills.length);
    }
  }

  /** Warns once per series of such rounds. Calls that are withdrawn after each round, as a manager's are, do not count. */
  workerEnded(drone: AnyDrone): void {
    const calls = this.#carried.get(drone);
    if (calls === undefined) {
      this.#rows.delete(drone);
      return;
    }
    const last = this.#rows.get(drone);
    const isAgain = last !== undefined && [...last.calls].some(call => calls.has(call));
    const rounds = isAgain ? last.rounds + 1 : 1;
    this.#rows.set(drone, { rounds, calls });
    if (rounds === WARN_AFTER_ROUNDS) this.#reports.carriesOver(drone, rounds);
  }
}
