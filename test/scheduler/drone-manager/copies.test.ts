import assert from 'node:assert/strict';
import test from 'node:test';
import { Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../../support/leak-check.js';
import { farmOf, Host, names } from './hosts.js';

leakCheck();

const methodsOf = (host: Host): string[] => host.drone.batches.flat().map(({ method }) => method);

test('a results drone that is down is tried once for all copies, and each waiting copy fails', async () => {
  const [host, results] = [new Host('one'), new Host('archive')];
  await using farm = await farmOf([host], { resultsDrone: results.drone });
  const { manager } = farm;
  results.drone.misbehave('refuse');
  for (let copy = 0; copy < 50; copy++) manager.copyToResultsRepository(host.drone, '/a', `/archive/${String(copy)}`);
  for (let tick = 1; tick <= 3; tick++) {
    const { failedCopies, pendingCopies } = await manager.executeActions();
    assert.deepEqual([failedCopies.length, pendingCopies.length], [0, 50]);
    assert.ok(
      methodsOf(host).filter(method => method === 'getFile').length <= 8 * tick,
      'no more than are made at once',
    );
  }
  results.drone.behave();
  assert.deepEqual((await manager.executeActions()).pendingCopies, []);
});

for (const how of ['aborted', 'over'] as const) {
  test(`a copy that hangs goes on alone when the time for it is ${how}, and is made once`, async () => {
    const [host, results] = [new Host('one'), new Host('archive')];
    await using farm = await farmOf([host], { resultsDrone: results.drone });
    const { clock, manager } = farm;
    host.transferGate = new Gate();
    const abort = new AbortController();
    manager.copyToResultsRepository(host.drone, '/a', '/archive/a');
    const actions = manager.executeActions({ signal: abort.signal });
    await host.transferGate.arrived();
    if (how === 'aborted') abort.abort();
    else await clock.advance(60_000);
    assert.equal((await actions).pendingCopies.length, 1);
    host.transferGate.open();
    const { failedCopies, pendingCopies } = await manager.executeActions();
    assert.deepEqual([failedCopies, pendingCopies], [[], []]);
    assert.deepEqual(methodsOf(host).filter(method => method === 'getFile').length, 1);
  });
}

test('a copy that breaks its connection each time is given up and told, and its drone is refreshed again', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host], { resultsDrone: undefined });
  const { manager } = farm;
  manager.copyToResultsRepository(host.drone, '/a', '/archive/a');
  host.drone.queueCall('appendToFile', '/notes', 'mine');
  host.drone.misbehave('die');
  for (let tick = 1; tick <= 2; tick++) {
    const { failedCopies, pendingCopies } = await manager.executeActions();
    assert.deepEqual([failedCopies.length, pendingCopies.length], [0, 1]);
  }
  const { failedCopies, pendingCopies } = await manager.executeActions();
  assert.deepEqual(
    failedCopies.map(({ source, error }) => [source, (error as { kind?: unknown }).kind]),
    [['/a', 'lost']],
  );
  assert.deepEqual(pendingCopies, []);
  host.drone.behave();
  assert.deepEqual(names((await manager.refresh()).refreshed), ['one']);
});

test('copies from a drone that is away are kept, however long that takes', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host], { resultsDrone: undefined });
  const { manager } = farm;
  manager.copyToResultsRepository(host.drone, '/a', '/archive/a');
  host.drone.misbehave('refuse');
  for (let tick = 1; tick <= 5; tick++) {
    const { failedCopies, pendingCopies } = await manager.executeActions();
    assert.deepEqual([failedCopies.length, pendingCopies.length], [0, 1]);
  }
});

test('a copy on the results host that throws is among the failed ones', async () => {
  const [host, results] = [new Host('one'), new Host('one')];
  await using farm = await farmOf([host], { resultsDrone: results.drone });
  host.broken.set('copyFileOrDirectory', new Error('disk full'));
  farm.manager.copyToResultsRepository(host.drone, '/results/1/', '/archive/1');
  const { failedCopies, failures } = await farm.manager.executeActions();
  assert.equal(failures.length, 1);
  assert.match(String(failedCopies[0]?.error), /disk full/);
});

test('a copy whose call was cleared is reported as one of unknown outcome', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host], { resultsDrone: undefined });
  farm.manager.copyToResultsRepository(host.drone, '/a', '/archive/a');
  host.drone.clearCallQueue();
  const { failedCopies } = await farm.manager.executeActions();
  assert.deepEqual(
    failedCopies.map(({ error }) => (error as { code?: unknown }).code),
    ['ERR_COPY_TAKEN'],
  );
});
