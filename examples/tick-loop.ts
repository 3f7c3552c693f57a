// A scheduler: each tick asks the drones how full their disks are, is free for its own work while they answer, and reads
// what came back.
import { DroneTaskQueueException, LocalDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { TickLoop } from 'drone-task-queue/scheduler';

// Each tick queues its calls anew: those that a drone missed while it was down are dropped, or they would pile up.
const queue = new ThreadedTaskQueue({ name: 'refresh', leftovers: 'drop' });
const drones = [new LocalDrone()];

const loop = new TickLoop(
  async ({ tick, signal }) => {
    const disks = drones.map(drone => drone.queueCall('run', 'df -P / | tail -n 1'));
    const round = queue.start(drones, { signal });
    console.log(`tick ${String(tick)}: waiting for ${String(queue.inFlight().length)} drone`);
    try {
      const results = await round.results();
      for (const disk of disks) console.log(`tick ${String(tick)}: ${disk.valueIn(results).stdout.trim()}`);
    } catch (error) {
      // A failed round is a report and no end of the loop: the results of the good drones are in `error.results`.
      if (!(error instanceof DroneTaskQueueException)) throw error;
      console.log(`tick ${String(tick)}: ${error.message}`);
    }
  },
  { name: 'scheduler', pauseMs: 100, jitter: 0.1, maxTicks: 3 },
);

// Until SIGINT or SIGTERM; here, for three ticks.
await loop.run();
console.log(`${String(loop.ticks)} ticks, ${String(loop.failedTicks)} failed`);
await queue.close();
