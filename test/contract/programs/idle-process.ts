/**
 * A scheduler that ends without closing its queue, for idle.test.ts. Arguments: the queue, then the drones; `held` for a
 * last round that is in flight when the program has nothing more to do itself; `unfetched` for one that is not awaited.
 */
import { parseArgs } from 'node:util';
import {
  type Drone,
  DroneTaskQueue,
  LocalDrone,
  SshDrone,
  ThreadedTaskQueue,
  type UtilityMethods,
} from 'drone-task-queue';
import { FakeDrone } from 'drone-task-queue/testing';

const { values } = parseArgs({
  options: {
    queue: { type: 'string' },
    drone: { type: 'string', multiple: true, default: [] },
    ssh: { type: 'string', default: '{}' },
    held: { type: 'boolean', default: false },
    unfetched: { type: 'boolean', default: false },
  },
});

type Runner = Pick<UtilityMethods, 'run'>;

const queue = values.queue === 'serial' ? new DroneTaskQueue() : new ThreadedTaskQueue({ threads: 2 });
const make: Record<string, () => Drone<Runner>> = {
  fake: () => new FakeDrone<Runner>('fake', { run: command => ({ stdout: command }) as ReturnType<Runner['run']> }),
  local: () => new LocalDrone(),
  ssh: () => new SshDrone('web1', JSON.parse(values.ssh) as object),
};
const drones = values.drone.map(kind => make[kind]?.() ?? fail(kind));

function fail(kind: string): never {
  throw new Error(`no drone of kind ${kind}`);
}

async function round(command: string): Promise<void> {
  for (const drone of drones) drone.queueCall('run', command);
  const results = await queue.execute(drones);
  process.stdout.write(`${command}: ${String(results.size)}\n`);
}

await round('true');
await round('true');
// It is not awaited, so that nothing but the queue keeps the process.
if (values.held) void round('sleep 0.5').then(() => process.stdout.write('told\n'));
if (values.unfetched) {
  for (const drone of drones) drone.queueCall('run', 'true');
  await queue.execute(drones, { wait: false, signal: new AbortController().signal });
}
process.once('beforeExit', () => process.stdout.write('idle\n'));
