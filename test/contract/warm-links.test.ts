/** Unused warm connections: an idle limit, and a cap by use. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { events } from 'drone-task-queue';
import { FakeDrone, Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { queues, type Queue } from './queues.js';
import { Witness } from './witness.js';

leakCheck();

function echo(hostname: string): FakeDrone<{ echo(text: string): string }> {
  return new FakeDrone(hostname, { echo: (text: string) => text });
}

async function use(queue: Queue, ...drones: ReturnType<typeof echo>[]): Promise<void> {
  for (const drone of drones) {
    drone.queueCall('echo', 'hello');
    await queue.execute([drone]);
  }
}

for (const make of queues) {
  test(`${make.name}: a connection without work is ended after its time, and opened again when there is some`, async () => {
    using opened = new Witness(events.linkOpen);
    using closed = new Witness(events.linkClose);
    await using queue = make({ maxIdleMs: 20 });
    const drone = echo('idle');
    await use(queue, drone);
    assert.equal((await closed.first()).error, undefined);
    await use(queue, drone);
    assert.equal(opened.seen.length, 2);
  });

  test(`${make.name}: a connection with work outlives the idle limit`, async () => {
    using opened = new Witness(events.linkOpen);
    using closed = new Witness(events.linkClose);
    await using queue = make({ maxIdleMs: 10 });
    const gate = new Gate();
    const busy = new FakeDrone('busy', { hang: () => gate.wait() });
    const round = queue.call(busy, 'hang');
    const other = echo('other');
    await queue.call(other, 'echo', 'hello');
    await closed.first(({ hostname }) => hostname === 'other');
    gate.open();
    await round;
    assert.deepEqual(opened.seen.map(({ hostname }) => hostname).sort(), ['busy', 'other']);
  });
}

const [serial] = queues;
if (serial === undefined) throw new Error('no queue to test');

test('above the cap the connection used longest ago is ended first, and none with work', async () => {
  using closed = new Witness(events.linkClose);
  await using queue = serial({ maxWarm: 2 });
  const [a, b, c] = [echo('a'), echo('b'), echo('c')];
  await use(queue, a, b, a, c);
  await closed.first();
  assert.deepEqual(
    closed.seen.map(({ hostname }) => hostname),
    ['b'],
  );
  const gate = new Gate();
  const [d, e] = ['d', 'e'].map(name => new FakeDrone(name, { hang: () => gate.wait() }));
  const hanging = [d, e].map(drone => drone && queue.call(drone, 'hang'));
  await closed.first(({ hostname }) => hostname === 'a');
  await closed.first(({ hostname }) => hostname === 'c');
  const f = new FakeDrone('f', { hang: () => gate.wait() });
  const third = queue.call(f, 'hang');
  gate.open();
  await Promise.all([...hanging, third]);
});
