/** `queue.start`: a round that is begun now and whose results are asked for later. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { DroneTaskQueueException } from 'drone-task-queue';
import { FakeDrone, Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { exceptionOf, refusalOf, rejectionOf } from './rejections.js';

leakCheck();

for (const make of queues) {
  test(`${make.name}: a started round gives its results once they are asked for, as often as asked`, async () => {
    await using queue = make();
    const gate = new Gate();
    const drone = new FakeDrone('web1', { wait: () => gate.wait() });
    const call = drone.queueCall('wait');
    const round = queue.start([drone]);
    await gate.arrived();
    gate.open();
    const results = await round.results();
    assert.deepEqual([...results.keys()], [drone]);
    assert.equal(call.valueIn(results), undefined);
    assert.equal(await round.results(), results);
    // Nothing is left to fetch.
    drone.queueCall('wait');
    assert.equal((await queue.start([drone]).results()).size, 1);
  });

  test(`${make.name}: results of a started round that others have fetched are missed by name`, async () => {
    await using queue = make({ name: 'checks' });
    const drone = new FakeDrone('web1', { work: () => 1 });
    drone.queueCall('work');
    const round = queue.start([drone]);
    assert.equal((await queue.getResults()).size, 1);
    const { message } = await refusalOf(round.results(), 'ERR_RESULTS_TAKEN');
    assert.match(message, /results of this round of 'checks' were fetched by getResults\(\)/);

    drone.queueCall('work');
    const late = queue.start([drone]);
    await queue.waitOnDrones();
    assert.equal((await late.results()).size, 1, 'a wait alone takes nothing away');

    drone.queueCall('work');
    const lost = queue.start([drone]);
    await queue.getResults();
    drone.queueCall('work');
    const next = queue.start([drone]);
    await refusalOf(lost.results(), 'ERR_RESULTS_TAKEN');
    assert.equal((await next.results()).size, 1, 'nor has the earlier round taken those of the next one');
    assert.equal((await queue.start([]).results()).size, 0);
  });

  test(`${make.name}: a started round rejects as execute does`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', {});
    drone.misbehave('refuse');
    (drone as FakeDrone<{ nothing(): void }>).queueCall('nothing');
    const round = queue.start([drone], { leftovers: 'drop' });
    const thrown = await exceptionOf(round.results());
    assert.equal(thrown.failures.size, 1);
    assert.equal(await rejectionOf(round.results()), thrown);
  });

  test(`${make.name}: a refusal of a started round rejects its results only, however late they are asked for`, async () => {
    await using queue = make({ name: 'checks' });
    const gate = new Gate();
    const drone = new FakeDrone('web1', { wait: () => gate.wait() });
    const other = new FakeDrone('web2', { wait: () => 1 });
    drone.queueCall('wait');
    other.queueCall('wait');
    const round = queue.start([drone]);
    const refused = queue.start([other]);
    await gate.arrived();
    const { message } = await refusalOf(refused.results(), 'ERR_ROUND_IN_FLIGHT');
    assert.match(message, /Cannot clobber thread map.*a round of 'checks' is in flight: await getResults\(\) first/);
    gate.open();
    assert.equal((await round.results()).size, 1);

    await queue.execute([other], { wait: false });
    await queue.waitOnDrones();
    const unfetched = await rejectionOf(queue.execute([]));
    assert.ok(unfetched instanceof DroneTaskQueueException);
    assert.match(unfetched.message, /Cannot clobber results queue.*'checks'.*: await getResults\(\) first/);
    await queue.getResults();
  });
}
