/** The first contact with each drone. */
import type { AnyDrone } from '../queue/drone/drone.js';
import type { Clock } from '../wait/clock.js';
import { summarize } from '../queue/drone/drone-error.js';
import type { TaskQueue } from '../queue/task-queue.js';
import { DroneManagerError, errorOf } from './drone-manager-error.js';
import type { DroneStates } from './drone-states.js';
import { raceAbort } from '../wait/abort.js';
import { Limit } from '../wait/limit.js';
import type { ManagedDrone } from './managed-drone.js';
import { Line } from '../wait/line.js';

/** Enough for hosts that are down not to add up; the queue has its own bounds for connections. */
const AT_ONCE = 16;

/** How long to wait for a drone. */
interface Patience {
  readonly clock: Clock;
  readonly refreshTimeoutMs: number;
  /** The end of the manager. */
  readonly signal: AbortSignal;
}

/**
 * By `queue.call`, beside the drones' queues: a round would run, and lose, what users have queued already.
 * Rejects with DroneManagerError (`ERR_NO_DRONES`) when all fail, and then knows none of them.
 */
export async function initializeDrones(
  queue: TaskQueue,
  resultsDir: string,
  drones: readonly ManagedDrone[],
  states: DroneStates,
  patience: Patience,
): Promise<void> {
  const failures = new Map<AnyDrone, Error>();
  for (const drone of drones) states.add(drone);
  const line = new Line(AT_ONCE);
  const initialize = async (drone: ManagedDrone): Promise<void> => {
    try {
      await initialized(queue, resultsDir, drone, patience);
      states.initialized(drone);
    } catch (thrown) {
      const error = errorOf(thrown);
      failures.set(drone, error);
      states.failed(drone, error);
    }
  };
  await Promise.all(drones.map(drone => line.run(() => initialize(drone))));
  if (failures.size < drones.length) return;
  states.clear();
  const lines = [...failures].map(([{ hostname }, error]) => `Drone ${hostname}: ${summarize(error)}`);
  const message = drones.length === 0 ? 'there are no drones' : `no drone could be initialized\n${lines.join('\n')}`;
  throw new DroneManagerError('ERR_NO_DRONES', message, { failures });
}

/** Rejects when its time is over. What the drone answers later counts for nothing: the next refresh asks it again. */
async function initialized(
  queue: TaskQueue,
  resultsDir: string,
  drone: ManagedDrone,
  { clock, refreshTimeoutMs, signal }: Patience,
): Promise<void> {
  const message = `drone ${drone.hostname} has not answered to initialize for ${String(refreshTimeoutMs)} ms`;
  const reason = new DroneManagerError('ERR_NO_ANSWER', message);
  const limit = new Limit([signal], { clock, limitMs: refreshTimeoutMs, reason });
  try {
    await raceAbort(limit.signal, queue.call(drone, 'initialize', resultsDir));
  } finally {
    limit.release();
  }
}
