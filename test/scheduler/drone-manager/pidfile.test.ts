import assert from 'node:assert/strict';
import test from 'node:test';
import { Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../../support/leak-check.js';
import { farmOf, Host } from './hosts.js';

leakCheck();

const ID = { hostname: 'one', path: '/results/1/pid' };

test('what has finished stays so when its folder is cleared', async () => {
  const host = new Host('one');
  const pid = host.run(ID.path);
  await using farm = await farmOf([host]);
  const { manager } = farm;
  manager.registerPidfile(ID);
  host.finish(ID.path, 0);
  await manager.refresh();
  for (const left of ['', undefined]) {
    if (left === undefined) host.pidfiles.delete(ID.path);
    else host.pidfiles.set(ID.path, left);
    await manager.refresh();
    assert.deepEqual(manager.pidfileState(ID), { kind: 'finished', pid, exitStatus: 0 });
  }
});

test('a pidfile that cannot be read leaves its command what it was', async () => {
  const host = new Host('one');
  const pid = host.run(ID.path);
  const never = { hostname: 'one', path: '/results/2/pid' };
  await using farm = await farmOf([host], { startGraceMs: 0 });
  const { manager } = farm;
  manager.registerPidfile(ID);
  await manager.refresh();
  manager.registerPidfile(never);
  host.vanish(pid);
  host.pidfiles.delete(ID.path);
  host.unreadable.set(ID.path, 'EIO').set(never.path, 'EMFILE');
  assert.deepEqual((await manager.refresh()).notStarted, []);
  assert.deepEqual(manager.pidfileState(ID), { kind: 'running', pid });
  assert.deepEqual(manager.pidfileContents(ID), { kind: 'unreadable', code: 'EIO' });
  assert.deepEqual(manager.pidfileState(never), { kind: 'unsure' });

  host.unreadable.clear();
  host.pidfiles.set(ID.path, `${String(pid)}\n0\n`);
  assert.deepEqual((await manager.refresh()).notStarted, [never]);
  assert.deepEqual(manager.pidfileState(ID), { kind: 'finished', pid, exitStatus: 0 });
});

test('of a pidfile that was unregistered since it was asked for, nothing is reported', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host], { startGraceMs: 0 });
  const { manager } = farm;
  manager.registerPidfile(ID);
  host.refreshGate = new Gate();
  await manager.triggerRefresh();
  host.refreshGate.open();
  await manager.executeActions(); // waits until it is answered
  manager.unregisterPidfile(ID);
  manager.registerPidfile(ID);
  assert.deepEqual((await manager.syncRefresh()).notStarted, []);
  assert.deepEqual(manager.pidfileState(ID), { kind: 'unsure' });
});
