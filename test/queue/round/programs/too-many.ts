/** A round over 300 hosts in a process that may not open so many files; prints what became of it. */
import { DroneTaskQueueException, SshDrone, ThreadedTaskQueue } from 'drone-task-queue';

const drones = Array.from({ length: 300 }, (_, at) => new SshDrone(`drone${String(at)}`));
for (const drone of drones) drone.queueCall('run', 'true');
await using queue = new ThreadedTaskQueue();
try {
  await queue.execute(drones);
} catch (error) {
  if (!(error instanceof DroneTaskQueueException)) throw error;
  const queued = drones.flatMap(drone => drone.getCalls()).length;
  process.stdout.write(JSON.stringify({ code: error.code, message: error.message, queued }));
}
