/** A drone that takes much longer than the others of its round is told of. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { events } from 'drone-task-queue';
import { FakeDrone, Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { Witness } from './witness.js';

leakCheck();

for (const make of queues) {
  test(`${make.name}: a drone slower than the others of its round is told of once, with where it is`, async () => {
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

  test(`${make.name}: nobody is called slow in a round of one`, async () => {
    using slow = new Witness(events.workerSlow);
    await using queue = make();
    const drone = new FakeDrone('web1', { work: () => new Promise(resolve => setTimeout(resolve, 1500)) });
    drone.queueCall('work');
    await queue.execute([drone]);
    assert.deepEqual(slow.seen, []);
  });
}
