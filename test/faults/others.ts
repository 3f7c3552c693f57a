/** The drones beside the one at fault: whatever happens to it, their results are to be complete and right. */
import assert from 'node:assert/strict';
import {
  type AnyDrone,
  type Call,
  type DroneResults,
  DroneTaskQueueException,
  type RunResult,
  type TaskQueue,
} from 'drone-task-queue';

/** Longer than most faults take to be noticed, so that the others are still at work then, s. */
const BUSY_S = 0.3;

/** What the others are asked for: built-in `run` is all it takes. */
interface Runner extends AnyDrone {
  queueCall(method: 'run', command: string): Call<RunResult>;
}

export class Others {
  readonly drones: readonly AnyDrone[];
  readonly #runners: readonly Runner[];
  #expected: { readonly call: Call<RunResult>; readonly stdout: string }[] = [];

  constructor(drones: readonly Runner[]) {
    this.drones = drones;
    this.#runners = drones;
  }

  /** Connects to them. */
  async warm(queue: TaskQueue): Promise<void> {
    for (const runner of this.#runners) runner.queueCall('run', 'true');
    await queue.execute(this.drones);
  }

  /** Gives each of them work for the next round. */
  queueCalls(): void {
    this.#expected = this.#runners.flatMap((drone, at) =>
      [`first ${String(at)}`, `second ${String(at)}`].map(text => ({
        call: drone.queueCall('run', `sleep ${String(BUSY_S)}; echo ${text}`),
        stdout: `${text}\n`,
      })),
    );
  }

  /** All of them are in the round's results, with every value. */
  assertFine(round: DroneResults | DroneTaskQueueException): void {
    const results = round instanceof DroneTaskQueueException ? round.results : round;
    for (const drone of this.drones) assert.equal(results.get(drone)?.length, 2, `the results of ${drone.hostname}`);
    for (const { call, stdout } of this.#expected) assert.equal(call.valueIn(round).stdout, stdout);
  }
}
