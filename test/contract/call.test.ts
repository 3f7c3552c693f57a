/** `queue.call`: one call now, beside the drone's queue and beside a round. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { DroneError, LocalDrone } from 'drone-task-queue';
import { FakeDrone, Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { rejectionOf } from './rejections.js';

leakCheck();

const METHODS = {
  echo: <T>(value: T): T => value,
  fail: (message: string): never => {
    throw new Error(message);
  },
};

for (const make of queues) {
  test(`${make.name}: a call leaves the drone's queue, the results and the thread map alone`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', METHODS);
    const queued = drone.queueCall('echo', 'queued');
    drone.queueKillProcess({ hostname: 'web1', pid: 99 });
    assert.equal(await queue.call(drone, 'echo', 'now'), 'now');
    assert.deepEqual(drone.getCalls(), [queued]);
    assert.deepEqual(drone.kills, []);
    assert.deepEqual(await queue.getResults(), new Map());
    assert.deepEqual((await queue.execute([drone])).get(drone), ['queued']);
  });

  test(`${make.name}: a call is answered while the round on the same drone is held`, async () => {
    await using queue = make();
    const gate = new Gate();
    const drone = new FakeDrone('web1', { ...METHODS, wait: () => gate.wait() });
    drone.queueCall('wait');
    const handedOver = queue.execute([drone], { wait: false });
    await gate.arrived();
    const answers = await Promise.all([1, 2, 3].map(value => queue.call(drone, 'echo', value)));
    assert.deepEqual(answers, [1, 2, 3]);
    assert.equal(drone.connections, 1);
    gate.open();
    await handedOver;
    assert.deepEqual((await queue.getResults()).get(drone), [undefined]);
  });

  test(`${make.name}: a call that fails rejects with the DroneError, and nothing goes into the drone's queue`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', METHODS);
    const thrown = await rejectionOf(queue.call(drone, 'fail', 'as told'));
    assert.ok(thrown instanceof DroneError);
    assert.equal(thrown.kind, 'call');
    assert.equal((thrown.cause as Error).message, 'as told');

    drone.misbehave('refuse');
    const refused = await rejectionOf(queue.call(drone, 'echo', 1));
    assert.ok(refused instanceof DroneError);
    assert.equal(refused.kind, 'unreachable');
    assert.deepEqual(
      refused.notStarted.map(({ method }) => method),
      ['echo'],
    );
    assert.deepEqual(drone.getCalls(), []);
    drone.behave();
    assert.equal(await queue.call(drone, 'echo', 2), 2);
  });

  test(`${make.name}: an argument that cannot travel rejects a call, and never throws from it`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', METHODS);
    await assert.rejects(queue.call(drone, 'echo', () => 1), { code: 'ERR_NOT_CLONEABLE' }); // prettier-ignore
    assert.equal(drone.connections, 0);
  });

  test(`${make.name}: two drone objects for one endpoint share its connection and not their calls`, async () => {
    await using queue = make();
    const [one, two] = [new LocalDrone(), new LocalDrone()];
    const first = one.queueCall('run', 'echo one $PPID');
    const second = two.queueCall('run', 'echo two $PPID');
    const results = await queue.execute([one, two]);
    assert.deepEqual([...results.keys()], [one, two]);
    const words = [first.valueIn(results), second.valueIn(results)].map(({ stdout }) => stdout.trim().split(' '));
    assert.deepEqual(
      words.map(([name]) => name),
      ['one', 'two'],
    );
    assert.equal(words[0]?.[1], words[1]?.[1]);
    assert.equal((await queue.call(new LocalDrone(), 'run', 'echo $PPID')).stdout.trim(), words[0]?.[1]);
  });
}
