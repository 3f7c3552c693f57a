import assert from 'node:assert/strict';
import test from 'node:test';
import { DroneTaskQueue } from '../../../src/queue/drone-task-queue.js';
import { DroneManager } from '../../../src/scheduler/drone-manager.js';
import { type GuardedSection, inSection } from '../../../src/wait/section-guard.js';
import { leakCheck } from '../../support/leak-check.js';
import { codeOf } from './hosts.js';

leakCheck();

const writes: GuardedSection = { isOpen: true, writes: true, title: "readWrite section 'test'", outer: undefined };

test('a method of a drone manager waits for those before it, even when they fail', async () => {
  await using queue = new DroneTaskQueue();
  const manager = new DroneManager(queue);
  const order: string[] = [];
  const first = assert.rejects(manager.initialize('/results', []), codeOf('ERR_NO_DRONES'));
  const second = manager.syncRefresh();
  await Promise.all([first.then(() => order.push('initialize')), second.then(() => order.push('syncRefresh'))]);
  assert.deepEqual(order, ['initialize', 'syncRefresh']);
});

test('a method that is called in a section that writes is refused before its turn comes', async () => {
  await using queue = new DroneTaskQueue();
  const manager = new DroneManager(queue);
  const order: string[] = [];
  const first = manager.syncRefresh().then(() => order.push('first'));
  const refused = inSection(writes, () => manager.syncRefresh());
  await assert.rejects(refused, /^ContextSwitchError: syncRefresh of the drone manager 'drone_manager' waits/);
  await first;
  assert.deepEqual(order, ['first']);
});

test('in a section that writes nothing of a drone manager can be waited for, and it can be closed after it', async () => {
  await using queue = new DroneTaskQueue();
  const manager = new DroneManager(queue);
  await inSection(writes, async () => {
    await assert.rejects(manager.initialize('/results', []), codeOf('ERR_CONTEXT_SWITCH'));
    await assert.rejects(manager.triggerRefresh(), codeOf('ERR_CONTEXT_SWITCH'));
    await assert.rejects(manager.syncRefresh(), codeOf('ERR_CONTEXT_SWITCH'));
    await assert.rejects(manager.refresh(), codeOf('ERR_CONTEXT_SWITCH'));
    await assert.rejects(manager.executeActions(), codeOf('ERR_CONTEXT_SWITCH'));
    await assert.rejects(manager.close(), codeOf('ERR_CONTEXT_SWITCH'));
  });
  await manager.close();
});
