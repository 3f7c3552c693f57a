/** Compares what happened with what was planned. The demo fails when the two differ. */
import type { AnyDrone, DroneError, DroneResults, DroneTaskQueueException } from 'drone-task-queue';
import type { Echo, Fleet } from './fleet.js';

export class Audit {
  /** What went other than planned, in words. */
  readonly problems: string[] = [];
  readonly #fleet: Fleet;
  readonly #kinds = new Map<string, number>();
  #echoes: Echo[] = [];
  #rounds = 0;
  #batches = 0;
  #good = 0;
  #values = 0;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  /** Takes what a round came to, and the calls whose values are awaited. */
  check(tick: number, round: DroneResults | DroneTaskQueueException, queued: readonly Echo[]): void {
    const failures: ReadonlyMap<AnyDrone, DroneError> = 'failures' in round ? round.failures : new Map();
    this.#rounds++;
    for (const drone of this.#fleet.drones) {
      const failure = failures.get(drone);
      const values = failure?.completed ?? ('failures' in round ? round.results : round).get(drone);
      const outcome = failure?.kind ?? (values ? 'ok' : 'no outcome');
      const planned = this.#fleet.planned(tick, drone);
      if (outcome !== planned) this.#note(tick, drone, `${outcome} instead of ${planned}`);
      this.#batches++;
      this.#values += values?.length ?? 0;
      if (outcome === 'ok') this.#good++;
      else this.#kinds.set(outcome, (this.#kinds.get(outcome) ?? 0) + 1);
    }
    this.#echoes = [...this.#echoes, ...queued].filter(echo => !this.#answered(tick, round, echo));
  }

  /** Whether a call's value is not awaited any more: it has come, or never will. */
  #answered(tick: number, round: DroneResults | DroneTaskQueueException, { drone, said, call }: Echo): boolean {
    try {
      const { stdout } = call.valueIn(round);
      if (stdout !== `${said}\n`) this.#note(tick, drone, `answered ${JSON.stringify(stdout)} to ${call.toString()}`);
      return true;
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ERR_NO_VALUE') throw error;
      const failure = 'failures' in round ? round.failures.get(drone) : undefined;
      // Back in its drone's queue, unless it may have run.
      if (failure) return !failure.notStarted.includes(call);
      this.#note(tick, drone, `has no value for ${call.toString()}`);
      return true;
    }
  }

  #note(tick: number, { hostname }: AnyDrone, what: string): void {
    this.problems.push(`tick ${String(tick)}, ${hostname}: ${what}`);
  }

  summary(): string {
    const kinds = [...this.#kinds].map(([kind, count]) => `${String(count)} ${kind}`).join(', ');
    const bad = kinds === '' ? 'no failure' : `failures: ${kinds}`;
    return (
      `${String(this.#rounds)} ticks, ${String(this.#good)} of ${String(this.#batches)} batches ok (${bad}), ` +
      `${String(this.#values)} calls answered`
    );
  }
}
