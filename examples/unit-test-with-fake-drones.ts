// How to test a scheduler of your own: fake drones answer with functions, go wrong when told to and record their calls,
// while each round takes the real path through worker threads and frames.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type Drone, ThreadedTaskQueue, type TaskQueue } from 'drone-task-queue';
import { FakeDrone, Gate } from 'drone-task-queue/testing';

interface Health {
  isHealthy(): boolean;
  restart(): void;
}

/** What is tested: restarts what is not healthy, and gives the names of drones that could not be asked. */
async function restartUnhealthy(queue: TaskQueue, drones: readonly Drone<Health>[]): Promise<string[]> {
  const asked = drones.map(drone => ({ drone, healthy: drone.queueCall('isHealthy') }));
  const { results, failures } = await queue.settle(drones);
  const unhealthy = asked.filter(({ drone, healthy }) => results.has(drone) && !healthy.valueIn(results));
  for (const { drone } of unhealthy) drone.queueCall('restart');
  await queue.settle(unhealthy.map(({ drone }) => drone));
  return [...failures.keys()].map(drone => drone.hostname);
}

const fake = (hostname: string, isHealthy: boolean): FakeDrone<Health> =>
  new FakeDrone(hostname, { isHealthy: () => isHealthy, restart: () => undefined });

const queue = new ThreadedTaskQueue({ threads: 1, callTimeoutMs: 500, killGraceMs: 100 });
after(() => queue.close());

test('only unhealthy drones are restarted', async () => {
  const [well, ill] = [fake('web1', true), fake('web2', false)];
  assert.deepEqual(await restartUnhealthy(queue, [well, ill]), []);
  assert.deepEqual(well.batches, [[{ method: 'isHealthy', args: [] }]]);
  assert.deepEqual(ill.batches.flat().at(-1), { method: 'restart', args: [] });
});

test('drones that refuse, die or hang are named and delay no other drone', async () => {
  const ill = fake('web1', false);
  const [refusing, dying, hanging] = [fake('web2', true), fake('web3', true), fake('web4', true)];
  refusing.misbehave('refuse');
  dying.misbehave('die');
  hanging.misbehave('hang');
  assert.deepEqual(await restartUnhealthy(queue, [ill, refusing, dying, hanging]), ['web2', 'web3', 'web4']);
  assert.equal(ill.batches.length, 2);
});

test('a gate holds a drone in mid-call for as long as the test wants to look around', async () => {
  const gate = new Gate();
  const drone = new FakeDrone('web1', { work: () => gate.wait() });
  drone.queueCall('work');
  await queue.execute([drone], { wait: false });
  await gate.arrived();
  assert.deepEqual(
    queue.inFlight().map(({ name, phase }) => `${name} ${phase}`),
    ['thread_queue.web1 call'],
  );
  gate.open();
  assert.deepEqual([...(await queue.getResults()).values()], [[undefined]]);
});
