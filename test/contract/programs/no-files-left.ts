/**
 * Opens all the files that it may, then wants a new agent beside a warm one; for local-transport.test.ts.
 * Arguments: the queue, and `cold` for no warm agent.
 */
import { closeSync, openSync } from 'node:fs';
import { DroneTaskQueue, LocalDrone, ThreadedTaskQueue } from 'drone-task-queue';

await using queue = process.argv[2] === 'serial' ? new DroneTaskQueue() : new ThreadedTaskQueue({ threads: 1 });
const warm = new LocalDrone();
const other = new LocalDrone({ env: { AGENT: 'of its own' } });

async function round(...drones: LocalDrone[]): Promise<void> {
  for (const drone of drones) {
    drone.clearCallQueue();
    drone.queueCall('run', 'true');
  }
  const { results, failures } = await queue.settle(drones);
  for (const drone of drones) {
    const { kind, cause } = failures.get(drone) ?? { kind: undefined, cause: undefined };
    const how = results.has(drone) ? 'ran' : `${String(kind)} ${/EMFILE/.exec(String(cause))?.[0] ?? String(cause)}`;
    process.stdout.write(`${drone === warm ? 'warm' : 'other'}: ${how}\n`);
  }
}

if (process.argv[3] !== 'cold') await round(warm);
const files: number[] = [];
try {
  for (;;) files.push(openSync('/dev/null', 'r'));
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error;
}
await round(warm, other);
for (const file of files) closeSync(file);
await round(other);
