/**
 * Transfers where no file may become larger than 4 MiB, as on a disk that is full; for files.test.ts. Arguments: the
 * queue, the file that is too large, and the directory it is to go to. Started under `ulimit -f`, which the agent inherits.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DroneTaskQueue, LocalDrone, ThreadedTaskQueue } from 'drone-task-queue';

const [kind, from = '', folder = ''] = process.argv.slice(2);
await using queue = kind === 'serial' ? new DroneTaskQueue() : new ThreadedTaskQueue({ threads: 1 });
const drone = new LocalDrone();
for (const method of ['putFile', 'getFile'] as const) {
  drone.clearCallQueue();
  drone.queueCall(method, from, join(folder, 'to'));
  const { failures } = await queue.settle([drone]);
  const { kind: how, cause } = failures.get(drone) ?? { kind: 'none', cause: undefined };
  const { code, message } = (cause ?? new Error('it went well')) as NodeJS.ErrnoException;
  const left = (await readdir(folder)).length;
  process.stdout.write(`${how} ${String(code)}, ${String(left)} left: ${message}\n`);
}
