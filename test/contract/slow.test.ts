/** A drone that takes much longer than the others of its round is reported. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { events } from 'drone-task-queue';
import { FakeDrone, Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { Witness } from './witness.js';

leakCheck();

for (const make of queues) {
  test(`${make.name}: a drone slower than the others of its round is reported once, with its phase`, async () => {
    using slow = new Witness(events.workerSlow);
    const lines: string[] = [];
    const ignore = (): void => undefined;
    const log = { debug: ignore, info: ignore, warn: (line: string) => lines.push(line), error: ignore };
    await using queue = make({ name: 'watched', log });
    const gate = new Gate();
    const fast = ['web1', 'web2', 'web3'].map(name => new FakeDrone(name, { work: () => 'done' }));
    const last = new FakeDrone('web4', { work: () => gate.wait().then(() => 'done') });
    const drones = [...fast, last];
    const [, , , call] = drones.map(drone => drone.queueCall('work'));
    const round = queue.execute(drones);
    // On a busy machine others may be, too.
    const told = await slow.first(({ hostname }) => hostname === last.hostname);
    assert.deepEqual([told.queue, told.worker, told.hostname], ['watched', 'watched.web4', 'web4']);
    assert.deepEqual([told.phase, told.call], ['call', call]);
    assert(told.tookMs > told.othersMs);
    gate.open();
    assert.equal((await round).size, drones.length);
    assert.equal(slow.seen.filter(({ hostname }) => hostname === last.hostname).length, 1);
    assert.equal(lines.filter(line => line.includes('web4 is slow')).length, 1);
  });

  test(`${make.name}: no drone is called slow in rounds of one, two and three`, async () => {
    using slow = new Witness(events.workerSlow);
    await using queue = make();
    const last = new FakeDrone('web1', { work: () => new Promise<void>(resolve => setTimeout(resolve, 1500)) });
    const fast = ['web2', 'web3'].map(name => new FakeDrone(name, { work: () => Promise.resolve() }));
    for (const others of [0, 1, 2]) {
      const drones = [last, ...fast.slice(0, others)];
      for (const drone of drones) drone.queueCall('work');
      await queue.execute(drones);
    }
    assert.deepEqual(slow.seen, []);
  });
}
