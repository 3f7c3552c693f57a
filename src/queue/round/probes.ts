/**
 * Probes drones beside rounds, without a call: the thread that serves the drone gets a Probe frame, connects and pings.
 * The frames go beside jobs, so that a probe keeps neither a thread nor the process alive.
 */
import { systemClock } from '../../wait/clock.js';
import { decode } from '../wire/codec/codec.js';
import type { Endpoint } from '../drone/endpoint.js';
import type { DroneErrorKind } from '../drone/error-kinds.js';
import type { ThreadListener, Threads } from './threads.js';
import type { Place } from '../thread/runner.js';
import { type DownReport, FrameType, type Phase } from '../wire/messages.js';

/** Why a drone did not answer. */
export interface ProbeFailure {
  readonly kind: DroneErrorKind;
  readonly phase: Phase;
  readonly error: unknown;
}

interface Pending {
  readonly place: Place;
  settle(failure: ProbeFailure | undefined): void;
}

export class Probes implements ThreadListener {
  readonly #threads: Threads;
  readonly #pending = new Map<number, Pending>();

  constructor(threads: Threads) {
    this.#threads = threads;
    threads.listen(this);
  }

  /** Resolves with undefined when the agent has answered. Never rejects; ends even if the thread dies or hangs. */
  ask(endpoint: Endpoint, limitMs: number): Promise<ProbeFailure | undefined> {
    return new Promise(resolve => {
      const id = this.#threads.nextId();
      let place: Place;
      try {
        place = this.#threads.placeOf(endpoint);
      } catch (error) {
        resolve({ kind: 'worker-lost', phase: 'waiting', error });
        return;
      }
      const limit = systemClock.setTimer(limitMs, () => {
        const error = new Error(`no answer to a probe within ${String(limitMs)} ms`);
        this.#settle(id, { kind: 'timeout', phase: 'waiting', error });
      });
      limit.unref();
      this.#pending.set(id, {
        place,
        settle: failure => {
          limit.cancel();
          resolve(failure);
        },
      });
      place.send(FrameType.Probe, id, 0, endpoint.head);
    });
  }

  take(type: number, id: number, _index: number, payload: Uint8Array): boolean {
    if ((type !== FrameType.Pong && type !== FrameType.Down) || !this.#pending.has(id)) return false;
    this.#settle(id, type === FrameType.Pong ? undefined : (decode(payload) as DownReport));
    return true;
  }

  lose(place: Place, error: unknown): void {
    for (const [id, pending] of [...this.#pending]) {
      if (pending.place === place) this.#settle(id, { kind: 'worker-lost', phase: 'waiting', error });
    }
  }

  close(): void {
    const error = new Error('the queue was closed');
    for (const id of [...this.#pending.keys()]) this.#settle(id, { kind: 'cancelled', phase: 'waiting', error });
  }

  #settle(id: number, failure: ProbeFailure | undefined): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.settle(failure);
  }
}
