import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { getEventListeners } from 'node:events';
import test, { type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ThreadedTaskQueue } from 'drone-task-queue';
import { DroneManager, events } from 'drone-task-queue/scheduler';
import { FakeClock, Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../../support/leak-check.js';
import { codeOf, farmOf, Host, names } from './hosts.js';

leakCheck();

function someInitialized(t: TestContext): Promise<unknown> {
  return new Promise(resolve => {
    subscribe(events.droneInitialized, resolve);
    t.after(() => unsubscribe(events.droneInitialized, resolve));
  });
}

async function arrivedAt({ drone }: Host): Promise<void> {
  while (drone.batches.length === 0) await nextTurn();
}

test('a drone that does not answer to initialize holds up no drone for longer than a refresh may take', async t => {
  const [ill, well] = [new Host('ill'), new Host('well')];
  const queue = new ThreadedTaskQueue({ threads: 1 });
  const clock = new FakeClock();
  const manager = new DroneManager(queue, { clock });
  ill.drone.misbehave('hang');
  const oneIs = someInitialized(t);
  const done = manager.initialize('/results', [ill.drone, well.drone]);
  await oneIs;
  await arrivedAt(ill);
  await clock.advance(60_000);
  await done;
  assert.ok(codeOf('ERR_NO_ANSWER')(manager.stale.get(ill.drone)?.error));
  await manager.close();
  await queue.close({ graceMs: 0 });
});

test('a drone that may have one call only is initialized by its first refresh', async () => {
  const host = new Host('one');
  host.drone.maxQueuedCalls = 1;
  host.broken.set('initialize', new Error('not yet'));
  const other = new Host('two');
  await using farm = await farmOf([host, other]);
  const { manager } = farm;
  assert.deepEqual(names(manager.usable), ['two']);
  host.broken.clear();
  await manager.refresh();
  assert.deepEqual(names(manager.usable), ['one', 'two']);
  assert.throws(
    () => {
      for (const call of [1, 2]) host.drone.queueCall('copyFileOrDirectory', '/a', `/b${String(call)}`);
    },
    { code: 'ERR_TOO_MANY_CALLS' },
  );
});

test('shutting down ends an initialize that hangs', async () => {
  const host = new Host('one');
  const queue = new ThreadedTaskQueue({ threads: 1 });
  const manager = new DroneManager(queue);
  host.drone.misbehave('hang');
  const done = manager.initialize('/results', [host.drone]);
  const refused = assert.rejects(done, codeOf('ERR_NO_DRONES'));
  await arrivedAt(host);
  await manager.close();
  await refused;
  await queue.close({ graceMs: 0 });
});

test('a drone that has failed since it was asked is not fresh by what it answered before', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  const { clock, manager } = farm;
  host.refreshGate = new Gate();
  await manager.triggerRefresh();
  await host.refreshGate.arrived();
  await clock.advance(1);
  host.drone.queueCall('appendToFile', '/notes', 'mine');
  const actions = manager.executeActions();
  host.drone.misbehave('die');
  host.refreshGate.open();
  assert.equal((await actions).failures.length, 1);
  assert.deepEqual(names((await manager.syncRefresh()).refreshed), ['one'], 'what it found is new all the same');
  assert.deepEqual(names(manager.stale.keys()), ['one']);
  host.drone.behave();
  await manager.refresh();
  assert.deepEqual(names(manager.usable), ['one']);
});

test('a signal that lives long is let go by each refresh', async () => {
  const { signal } = new AbortController();
  await using farm = await farmOf([new Host('one')]);
  for (let refresh = 0; refresh < 3; refresh++) {
    await farm.manager.refresh({ signal });
    assert.deepEqual(getEventListeners(signal, 'abort'), []);
  }
});
