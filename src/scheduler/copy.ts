import { DroneError } from '../queue/drone/drone-error.js';
import type { ManagedDrone } from './managed-drone.js';

/** A copy to the results repository that failed and is not retried. */
export interface FailedCopy {
  readonly hostname: string;
  readonly source: string;
  readonly destination: string;
  readonly error: Error;
}

/** A copy to the results repository that is not done yet. */
export interface PendingCopy extends Omit<FailedCopy, 'error'> {
  /** The failure of the last attempt; undefined if there was no attempt, or it has not ended. */
  readonly error: Error | undefined;
}

/** A copy that has lost its connection this often probably breaks the connection itself. */
const MAX_LOSSES = 3;

export class Copy {
  readonly drone: ManagedDrone;
  readonly source: string;
  readonly destination: string;
  #error: Error | undefined;
  #losses = 0;

  constructor(drone: ManagedDrone, source: string, destination: string) {
    this.drone = drone;
    this.source = source;
    this.destination = destination;
  }

  get pending(): PendingCopy {
    return { ...this.#names, error: this.#error };
  }

  failed(error: Error): FailedCopy {
    return { ...this.#names, error };
  }

  /** Records a failure that allows a retry. Returns the failure once it was retried often enough. */
  missed(error: Error, wasUnderWay: boolean): FailedCopy | undefined {
    this.#error = error;
    if (wasUnderWay && !(error instanceof DroneError && error.kind === 'cancelled')) this.#losses += 1;
    return this.#losses < MAX_LOSSES ? undefined : this.failed(error);
  }

  get #names(): Omit<FailedCopy, 'error'> {
    const { drone, source, destination } = this;
    return { hostname: drone.hostname, source, destination };
  }
}
