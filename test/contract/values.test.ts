/** Values, and a user's own methods, are the same on every kind of drone and in every queue. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type Drone, DroneError, LocalDrone, SshDrone } from 'drone-task-queue';
import { FakeDrone, startSshServer } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { arrivalOf, assertSame, VALUES } from '../support/values.js';
import { type MakeQueue, queues } from './queues.js';
import { failureOf, rejectionOf } from './rejections.js';

leakCheck();

type OwnMethods = typeof import('./own-methods.js');
interface Echo {
  echo(value: unknown): unknown;
}

const OWN = new URL('./own-methods.js', import.meta.url);
const ECHO = new URL('data:text/javascript,export const echo = x => x');

/** Sends each value of the table there and back. */
async function assertAllSurvive(make: MakeQueue, drone: Drone<Echo>): Promise<void> {
  await using queue = make();
  const calls = VALUES.map(entry => drone.queueCall('echo', entry.make()));
  const results = await queue.execute([drone]);
  assert.equal(results.get(drone)?.length, VALUES.length);
  for (const [at, entry] of VALUES.entries()) {
    try {
      assertSame(calls[at]?.valueIn(results), arrivalOf(entry));
    } catch (error) {
      throw new Error(`${entry.name} did not survive`, { cause: error });
    }
  }
}

/** Throws each value of the table on the drone, and finds it as the cause. */
async function assertAllThrown(make: MakeQueue, drone: Drone<{ fail(value: unknown): never }>): Promise<void> {
  await using queue = make();
  const thrown = VALUES.filter(({ name }) => !/^(long|large|many|deep|sparse)/.test(name));
  const causes = await Promise.all(
    thrown.map(async entry => {
      const error = await rejectionOf(queue.call(drone, 'fail', entry.make()));
      assert.ok(error instanceof DroneError, entry.name);
      assert.equal(error.kind, 'call', entry.name);
      return error.cause;
    }),
  );
  for (const [at, entry] of thrown.entries()) assertSame(causes[at], arrivalOf(entry));
}

for (const make of queues) {
  test(`${make.name}: every value survives the way to a fake drone and back`, async () => {
    await assertAllSurvive(make, new FakeDrone('fake', { echo: (value: unknown): unknown => value }));
  });

  test(`${make.name}: every value survives the way to the local drone and back`, async () => {
    await assertAllSurvive(make, new LocalDrone<Echo>({ utility: ECHO }));
  });

  test(`${make.name}: every value survives the way over SSH and back`, async () => {
    await using server = await startSshServer();
    await assertAllSurvive(make, new SshDrone<Echo>('web1', { ...server.droneOptions(), utility: ECHO }));
  });

  test(`${make.name}: every value that is thrown on a drone is the cause of its failure`, async () => {
    await assertAllThrown(
      make,
      new FakeDrone('fake', {
        fail: (value: unknown): never => {
          throw value;
        },
      }),
    );
    await assertAllThrown(make, new LocalDrone<OwnMethods>({ utility: OWN }));
  });

  test(`${make.name}: a user's own methods work the same on this machine and over SSH`, async () => {
    await using server = await startSshServer();
    await using queue = make();
    const drones = [
      new LocalDrone<OwnMethods>({ utility: OWN }),
      new SshDrone<OwnMethods>('web1', { ...server.droneOptions(), utility: OWN }),
    ];
    const flashes = drones.map(drone => [drone.queueCall('flash', 1, 2), drone.queueCall('flash', 3, 4)]);
    const commands = drones.map(drone => drone.queueCall('run', 'echo beside'));
    const results = await queue.execute(drones);
    const [local, remote] = flashes.map(calls => calls.map(call => call.valueIn(results)));
    assert.deepEqual(local, remote);
    assert.deepEqual(
      local?.map(({ sum, calls, isMainThread }) => [sum, calls, isMainThread]),
      [[3, 1, false], [7, 2, false]], // prettier-ignore
    );
    for (const command of commands) assert.equal(command.valueIn(results).stdout, 'beside\n');

    for (const drone of drones) drone.queueCall('exit', 3);
    const { failures } = await queue.settle(drones);
    for (const drone of drones) {
      const failure = failureOf({ failures }, drone);
      assert.equal(failure.kind, 'call');
      assert.match(String(failure.cause), /process\.exit\(3\)/);
      assert.equal((await queue.call(drone, 'flash', 0, 0)).calls, 1, 'the module starts afresh');
    }
  });

  test(`${make.name}: a batch may be larger than a frame, and so may be a value with its frame`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', { size: (text: string) => text.length, make: (n: number) => 'x'.repeat(n) });
    const text = 'x'.repeat(40 * 1024 * 1024);
    drone.queueCall('size', text);
    drone.queueCall('size', text);
    // Fills its frame's payload but for the value's own few bytes, less than a frame's header.
    const made = drone.queueCall('make', 64 * 1024 * 1024 - 8);
    const results = await queue.execute([drone]);
    assert.deepEqual([...(results.get(drone) ?? [])].slice(0, 2), [text.length, text.length]);
    assert.equal(made.valueIn(results).length, 64 * 1024 * 1024 - 8);
  });

  test(`${make.name}: a utility module may be given as a data: URL of any length`, async () => {
    await using queue = make();
    const source = `export const echo = value => value; // ${'long '.repeat(40_000)}`;
    const utility = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
    const drone = new LocalDrone<Echo>({ utility });
    assert.equal(await queue.call(drone, 'echo', 7), 7);
  });

  test(`${make.name}: an own method in an endless loop is ended by its time, and the next round works`, async () => {
    await using queue = make({ killGraceMs: 1000 });
    const drone = new LocalDrone<OwnMethods>({ utility: OWN });
    const hung = drone.with({ timeoutMs: 300 }).queueCall('hang');
    const behind = drone.queueCall('flash', 1, 1);
    const failure = failureOf(await queue.settle([drone]), drone);
    assert.deepEqual([failure.kind, failure.call, failure.notStarted], ['timeout', hung, [behind]]);
    assert.equal(failure.killed, true);
    assert.equal(behind.valueIn(await queue.execute([drone])).sum, 2);
  });
}
