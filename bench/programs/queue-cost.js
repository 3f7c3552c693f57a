// Cost of a round of no-ops, per drone: by ThreadedTaskQueue, and by a raw piscina with one task per drone.
import { ThreadedTaskQueue } from 'drone-task-queue';
import { FakeDrone } from 'drone-task-queue/testing';
import { Piscina } from 'piscina';
import { NoOpDrone } from './no-op-drone.js';
import { serve, timeRounds, upTo } from './program.js';

const THREADS = 2;
/** Where piscina is faster than with fewer. */
const TASKS_PER_THREAD = 64;
const ROUNDS_PER_RUN = 25;
const WARM_UP_ROUNDS = 100;

serve(
  /** @param {{ drones: number, runs: number }} task */
  async ({ drones, runs }) => {
    const queue = new ThreadedTaskQueue({ threads: THREADS });
    const pool = new Piscina({
      filename: new URL('./no-op-task.js', import.meta.url).href,
      minThreads: THREADS,
      maxThreads: THREADS,
      concurrentTasksPerWorker: TASKS_PER_THREAD,
      maxQueue: Infinity,
    });
    const fakes = upTo(drones).map(at => new FakeDrone(`fake${at}`, { noOp: () => undefined }));
    const inThread = upTo(drones).map(at => new NoOpDrone(`thread${at}`));

    /** @param {readonly (FakeDrone<{ noOp(): void }> | NoOpDrone)[]} list */
    const round = list => {
      for (const drone of list) drone.queueCall('noOp');
      return queue.execute(list);
    };
    const ways = {
      raw: () => Promise.all(upTo(drones).map(at => pool.run(at))),
      fake: () => round(fakes),
      inThread: () => round(inThread),
    };

    /** @type {Record<string, { wallUs: number, cpuUs: number }[]>} */
    const report = {};
    for (const [name, way] of Object.entries(ways)) {
      await timeRounds(drones, WARM_UP_ROUNDS, way);
      report[name] = [];
    }
    // In turns, so that whatever else the machine does meets all of them.
    for (let run = 0; run < runs; run++) {
      for (const [name, way] of Object.entries(ways)) {
        report[name]?.push(await timeRounds(drones, ROUNDS_PER_RUN, way));
      }
    }
    await queue.close();
    await pool.destroy();
    return report;
  },
);
