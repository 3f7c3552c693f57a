/** One copy to the results repository, and what has become of it. */
import { DroneError } from '../queue/drone/drone-error.js';
import type { ManagedDrone } from './managed-drone.js';

/** A copy to the results repository that failed, and is not tried again. */
export interface FailedCopy {
  readonly hostname: string;
  readonly source: string;
  readonly destination: string;
  readonly error: Error;
}

/** A copy to the results repository that is still to be made, or under way. */
export interface PendingCopy {
  readonly hostname: string;
  readonly source: string;
  readonly destination: string;
  /** What the last attempt failed with; undefined when there was none, or it has not ended. */
  readonly error: Error | undefined;
}

/** A copy that has lost its connection so often is likely to be what breaks it. */
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

  /** It was not made, and can be tried again. Gives the failure once that makes no sense any more. */
  missed(error: Error, wasUnderWay: boolean): FailedCopy | undefined {
    this.#error = error;
    if (wasUnderWay && !(error instanceof DroneError && error.kind === 'cancelled')) this.#losses += 1;
    return this.#losses < MAX_LOSSES ? undefined : this.failed(error);
  }

  get #names(): { hostname: string; source: string; destination: string } {
    const { drone, source, destination } = this;
    return { hostname: drone.hostname, source, destination };
  }
}
