import assert from 'node:assert/strict';
import test from 'node:test';
import { DroneTaskQueue } from 'drone-task-queue';
import { DroneManager } from 'drone-task-queue/scheduler';
import { Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../../support/leak-check.js';
import { codeOf, farmOf, Host, inFolder } from './hosts.js';

leakCheck();

test('a command is unsure while a round has it, and one that is unregistered then is not sent again', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  const { manager } = farm;
  const [first, second] = ['1', '2'].map(name => manager.executeCommand(['job'], inFolder(`/results/${name}`)));
  assert.ok(first && second);
  host.startGate = new Gate();
  host.broken.set('executeCommand', new Error('no such program'));
  const before = host.drone.batches.length;
  const actions = manager.executeActions();
  await host.startGate.arrived();
  assert.deepEqual(manager.pidfileState(second), { kind: 'unsure' });
  assert.equal(manager.unregisterPidfile(second), false, 'for all we know it may run');
  host.startGate.open();
  const report = await actions;
  assert.deepEqual(
    report.failedToStart.map(({ id }) => id),
    [first],
  );
  assert.deepEqual([report.queued, report.unsure], [[], []]);
  assert.equal(host.drone.batches.length, before + 1);
  assert.deepEqual(host.drone.getCalls(), []);
});

test('the name of a command that failed to start is free while the actions go on', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  const { manager } = farm;
  const failing = manager.executeCommand(['job'], inFolder('/results/1'));
  host.drone.queueCall('getFile', 'from', 'to');
  host.broken.set('executeCommand', new Error('no such program'));
  host.transferGate = new Gate();
  const actions = manager.executeActions();
  await host.transferGate.arrived();
  const again = manager.executeCommand(['job'], inFolder('/results/1'));
  host.transferGate.open();
  const report = await actions;
  assert.deepEqual(
    report.failedToStart.map(({ id }) => id),
    [failing],
  );
  assert.deepEqual([report.queued, manager.pidfiles], [[again], [again]]);
  host.broken.clear();
  assert.equal((await manager.executeActions()).started.length, 1);
});

test('a call whose value cannot be sent does not hold up those behind it', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  host.transfer = { value: () => undefined };
  host.drone.queueCall('getFile', 'from', 'to');
  host.drone.queueCall('appendToFile', '/notes', 'mine');
  const { failures } = await farm.manager.executeActions();
  assert.deepEqual(
    failures.map(({ error }) => error.kind),
    ['not-cloneable'],
  );
  assert.equal(host.files.get('/notes'), 'mine');
});

test("a queue's own rule on failures leaves no drone without its actions", async () => {
  await using queue = new DroneTaskQueue({ stopOn: 'first' });
  const [ill, well] = [new Host('ill'), new Host('well')];
  const manager = new DroneManager(queue, { resultsDrone: new Host('results').drone });
  await manager.initialize('/results', [ill.drone, well.drone]);
  ill.drone.misbehave('refuse');
  for (const { drone } of [ill, well]) drone.queueCall('appendToFile', '/notes', 'mine');
  await manager.executeActions();
  assert.equal(well.files.get('/notes'), 'mine');
  await manager.close();
});

test('what was done is reported although the queue refuses a later round', async () => {
  const [host, results] = [new Host('one'), new Host('archive')];
  await using farm = await farmOf([host], { resultsDrone: results.drone });
  const { manager, queue } = farm;
  const id = manager.executeCommand(['job'], inFolder('/results/1'));
  manager.writeLinesToFile('/archive/keyvals', ['a=1']);
  host.startGate = new Gate();
  const actions = manager.executeActions();
  await host.startGate.arrived();
  const closed = queue.close({ graceMs: 600_000 });
  host.startGate.open();
  const report = await actions;
  await closed;
  assert.deepEqual(
    report.started.map(started => started.id),
    [id],
  );
  assert.equal(report.refused?.code, 'ERR_QUEUE_CLOSED');
  assert.equal(results.drone.getCalls().length, 1);

  const next = manager.executeCommand(['job'], inFolder('/results/2'));
  await assert.rejects(manager.executeActions(), codeOf('ERR_QUEUE_CLOSED'));
  assert.deepEqual(manager.pidfileState(next), { kind: 'queued' });
});

test('attached files of which no command is wanted any more can be forgotten', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  const { manager } = farm;
  manager.attachFile('/results/1', 'control', 'a');
  assert.equal(manager.detachFiles('/results/1/'), true);
  assert.equal(manager.detachFiles('/results/1'), false);
  manager.executeCommand(['job'], inFolder('/results/1'));
  await manager.executeActions();
  assert.deepEqual([...host.files], []);
});
