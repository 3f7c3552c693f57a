// Methods of your own, run by the agents: on this machine and on a host over SSH alike.
import { LocalDrone, SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { startSshServer } from 'drone-task-queue/testing';

/** Types for queueCall. With the module in a file: `import type * as Sums from './sums.mjs'` and `typeof Sums`. */
interface Sums {
  add(a: number, b: number): number;
  countWords(text: string): Promise<Map<string, number>>;
  fail(reason: string): never;
}

// A self-contained ES module: it may import what Node has, and nothing else. Nothing is written to the drone's disk.
const utility = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { setTimeout } from 'node:timers/promises';

    export function add(a, b) {
      return a + b;
    }
    export async function countWords(text) {
      await setTimeout(1);
      const counts = new Map();
      for (const word of text.split(' ')) counts.set(word, (counts.get(word) ?? 0) + 1);
      return counts;
    }
    export function fail(reason) {
      throw Object.assign(new RangeError(reason), { code: 'ERR_MY_OWN' });
    }
  `)}`,
);

const server = await startSshServer();
const drones = [new LocalDrone<Sums>({ utility }), new SshDrone<Sums>('web1', { ...server.droneOptions(), utility })];
const queue = new ThreadedTaskQueue();

const calls = drones.map(drone => ({
  drone,
  sum: drone.queueCall('add', 20, 22),
  counts: drone.queueCall('countWords', 'to be or not to be'),
}));
const results = await queue.execute(drones);
for (const { drone, sum, counts } of calls) {
  console.log(drone.hostname, sum.valueIn(results), counts.valueIn(results));
}

for (const drone of drones) drone.queueCall('fail', 'out of luck');
const { failures } = await queue.settle(drones);
for (const [drone, { kind, cause }] of failures) {
  // As it was thrown over there.
  if (cause instanceof RangeError) console.log(drone.hostname, kind, cause.message, 'code' in cause ? cause.code : '');
}

await queue.close();
await server.close();
