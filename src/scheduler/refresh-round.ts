/** One refresh of all drones: a round of its own that leaves nothing in a drone's queue. */
import type { Call, DroneValues } from '../queue/drone/call.js';
import { queueBeyondLimit } from '../queue/drone/drone.js';
import { type DroneError, DroneTaskQueueException } from '../queue/drone/drone-error.js';
import type { RoundOutcome, TaskQueue } from '../queue/task-queue.js';
import type { ManagedDrone } from './managed-drone.js';
import type { Pidfile, PidfileState } from './pidfile.js';
import { withdraw } from './withdraw.js';

export interface RefreshRequest {
  readonly drone: ManagedDrone;
  /** Undefined for a drone that is initialized. */
  readonly resultsDir: string | undefined;
  readonly pidfiles: readonly Pidfile[];
  readonly timeoutMs: number;
}

export interface RefreshAnswer {
  readonly drone: ManagedDrone;
  /** Whether the drone was initialized by this round or before. */
  readonly initialized: boolean;
  /** The value of `refresh`, unchecked. */
  readonly value: unknown;
  readonly failure: DroneError | undefined;
  /** The pidfiles of the request with their states at that time. */
  readonly states: ReadonlyMap<Pidfile, PidfileState>;
}

interface Asked {
  readonly request: RefreshRequest;
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
      asked.map(each => answerOf(each, results.get(each.request.drone), failures.get(each.request.drone))),
    );
    // A later `take` handles the rejection.
    this.ended.catch(() => undefined);
  }

  /** Rejects with the queue's refusal or that of an argument; nothing is queued then. */
  static async start(
    queue: TaskQueue,
    requests: readonly RefreshRequest[],
    signal: AbortSignal,
    askedAtMs: number,
  ): Promise<RefreshRound> {
    const asked: Asked[] = [];
    try {
      for (const request of requests) asked.push(ask(request));
      const drones = requests.map(({ drone }) => drone);
      await queue.execute(drones, { wait: false, signal, stopOn: 'never' });
    } catch (error) {
      for (const { request, calls } of asked) withdraw(request.drone, calls);
      throw error;
    }
    return new RefreshRound(askedAtMs, asked, outcomeOf(queue));
  }
}

/** Both calls are idempotent, so the round retries a lost one. */
function ask(request: RefreshRequest): Asked {
  const { drone, resultsDir, pidfiles, timeoutMs } = request;
  const target = drone.with({ idempotent: true, timeoutMs });
  const states = new Map(pidfiles.map(pidfile => [pidfile, pidfile.state]));
  const paths = pidfiles.map(({ id }) => id.path);
  // `refresh` first: when it is too large for a call, nothing is queued yet. The drone's limit may be one call.
  const calls: Call[] = [queueBeyondLimit(target, 'refresh', paths)];
  if (resultsDir !== undefined) calls.push(queueBeyondLimit(target, 'initialize', resultsDir));
  return { request, calls, states };
}

/** Fetches the results at once, so that the queue is free for other rounds. */
async function outcomeOf(queue: TaskQueue): Promise<RoundOutcome> {
  try {
    return { results: await queue.getResults(), failures: new Map() };
  } catch (error) {
    if (!(error instanceof DroneTaskQueueException)) throw error;
    return { results: error.results, failures: new Map(error.failures) };
  }
}

function answerOf(
  { request, calls, states }: Asked,
  values: DroneValues | undefined,
  failure: DroneError | undefined,
): RefreshAnswer {
  const { drone, resultsDir } = request;
  // The next actions would otherwise send a failed call along.
  withdraw(drone, calls);
  const answered = [...(values ?? failure?.completed ?? [])];
  return {
    drone,
    initialized: resultsDir === undefined || answered.length === calls.length,
    value: answered[0],
    failure,
    states,
  };
}
