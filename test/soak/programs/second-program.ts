/** The second controller's program: round after round on the drones it was given, until its parent lets go of it. */
import { SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { marked } from '../drone-ledger.js';
import type { SecondOrder } from '../second-controller.js';
import { QUEUE } from '../settings.js';

async function control({ prefix, drones: wanted }: SecondOrder, isOver: () => boolean): Promise<void> {
  await using queue = new ThreadedTaskQueue({ ...QUEUE, name: 'second', threads: 1 });
  const drones = wanted.map(({ hostname, ledger, options }) => ({ drone: new SshDrone(hostname, options), ledger }));
  for (let round = 1; !isOver(); round++) {
    for (const { drone, ledger } of drones) {
      const id = `${prefix}.${drone.hostname}.${String(round)}`;
      drone.queueCall('run', marked(ledger, id, 'sleep 0.2'));
    }
    await queue.settle(drones.map(({ drone }) => drone));
  }
}

let isOver = false;
process.on('disconnect', () => {
  isOver = true;
});
process.once('message', (order: SecondOrder) => void control(order, () => isOver));
