/** One refresh of all drones: a round of its own, of which nothing stays in a drone's queue. */
import type { Call } from '../queue/drone/call.js';
import { type DroneError, DroneTaskQueueException } from '../queue/drone/drone-error.js';
import type { RoundOutcome, TaskQueue } from '../queue/task-queue.js';
import type { ManagedDrone } from './managed-drone.js';
import type { Pidfile, PidfileState } from './pidfile.js';
import { withdraw } from './withdraw.js';

/** What one drone is asked. */
export interface RefreshOrder {
  readonly drone: ManagedDrone;
  /** Undefined for a drone that is initialized. */
  readonly resultsDir: string | undefined;
  readonly pidfiles: readonly Pidfile[];
  readonly timeoutMs: number;
}

/** What one drone has answered, or why it has not. */
export interface RefreshAnswer {
  readonly drone: ManagedDrone;
  /** Whether it has been initialized, by this round or before. */
  readonly initialized: boolean;
  /** The value of `refresh`, as it came. */
  readonly value: unknown;
  readonly failure: DroneError | undefined;
  /** What was asked for, as it stood then. */
  readonly states: ReadonlyMap<Pidfile, PidfileState>;
}

interface Asked {
  readonly order: RefreshOrder;
  readonly calls: readonly Call[];
  readonly states: ReadonlyMap<Pidfile, PidfileState>;
}

export class RefreshRound {
  readonly askedAtMs: number;
  /** When all drones have answered or failed. */
  readonly ended: Promise<RefreshAnswer[]>;

  private constructor(askedAtMs: number, asked: readonly Asked[], outcome: Promise<RoundOutcome>) {
    this.askedAtMs = askedAtMs;
    this.ended = outcome.then(({ results, failures }) =>
      asked.map(each => answerOf(each, results.get(each.order.drone), failures.get(each.order.drone))),
    );
    // It may be a while until somebody asks.
    this.ended.catch(() => undefined);
  }

  /** All or nothing: rejects with the queue's refusal, or what an argument was refused with, and has queued nothing. */
  static async start(
    queue: TaskQueue,
    orders: readonly RefreshOrder[],
    signal: AbortSignal,
    askedAtMs: number,
  ): Promise<RefreshRound> {
    const asked: Asked[] = [];
    try {
      for (const order of orders) asked.push(ask(order));
      await queue.execute(
        orders.map(({ drone }) => drone),
        { wait: false, signal, stopOn: 'never' },
      );
    } catch (error) {
      for (const { order, calls } of asked) withdraw(order.drone, calls);
      throw error;
    }
    return new RefreshRound(askedAtMs, asked, outcomeOf(queue));
  }
}

/** Both may run more than once, so what was lost is tried again within the round. */
function ask(order: RefreshOrder): Asked {
  const { drone, resultsDir, pidfiles, timeoutMs } = order;
  const queuer = drone.with({ idempotent: true, timeoutMs });
  const states = new Map(pidfiles.map(pidfile => [pidfile, pidfile.state]));
  const paths = pidfiles.map(({ id }) => id.path);
  // The one that can be too large for a call comes first, or it would leave the other behind.
  const refresh = queuer.queueCall('refresh', paths);
  const calls: Call[] = resultsDir === undefined ? [refresh] : [refresh, queuer.queueCall('initialize', resultsDir)];
  return { order, calls, states };
}

/** Fetched at once, whenever the manager asks for it: the queue can then be used for other rounds. */
async function outcomeOf(queue: TaskQueue): Promise<RoundOutcome> {
  try {
    return { results: await queue.getResults(), failures: new Map() };
  } catch (error) {
    if (!(error instanceof DroneTaskQueueException)) throw error;
    return { results: error.results, failures: new Map(error.failures) };
  }
}

function answerOf(
  { order, calls, states }: Asked,
  values: readonly unknown[] | undefined,
  failure: DroneError | undefined,
): RefreshAnswer {
  const { drone, resultsDir } = order;
  // A failed one would otherwise be sent along with the next actions.
  withdraw(drone, calls);
  const answered = values ?? failure?.completed ?? [];
  return {
    drone,
    initialized: resultsDir === undefined || answered.length === calls.length,
    value: answered[0],
    failure,
    states,
  };
}
