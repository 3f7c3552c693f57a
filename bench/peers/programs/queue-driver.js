// drone-task-queue as a client of many drones.
import { SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { drive } from './driver.js';

await drive(async (options, once) => {
  // As many other tools are given 60 s: sshd is what is slow here.
  const queue = new ThreadedTaskQueue({ threads: 2, connectTimeoutMs: 60_000 });
  const drones = options.map(drone => new SshDrone(String(drone.host), drone));
  const runTrue = () => {
    for (const drone of drones) drone.queueCall('run', 'true');
    return queue.execute(drones);
  };
  const noOp = () => {
    for (const drone of drones) drone.queueCall('killProcesses', []);
    return queue.execute(drones);
  };
  if (!once) await runTrue();
  return { rounds: { 'no-op': noOp, 'run true': runTrue }, close: () => queue.close() };
});
