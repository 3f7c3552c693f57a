import assert from 'node:assert/strict';
import test from 'node:test';
import { DroneTaskQueue } from '../../../src/queue/drone-task-queue.js';
import { DroneManager } from '../../../src/scheduler/drone-manager.js';
import { MethodTurns } from '../../../src/scheduler/method-turns.js';
import { type GuardedSection, inSection } from '../../../src/wait/section-guard.js';
import { leakCheck } from '../../support/leak-check.js';
import { codeOf } from './hosts.js';

leakCheck();

const writes: GuardedSection = { isOpen: true, writes: true, title: "readWrite section 'test'", outer: undefined };

test('a turn waits for those before it, whatever becomes of them', async () => {
  const turns = new MethodTurns('test');
  const order: string[] = [];
  const first = turns.take('first', async () => {
    await Promise.resolve();
    order.push('first');
    throw new Error('failed');
  });
  const second = turns.take('second', () => Promise.resolve(order.push('second')));
  await assert.rejects(first, /failed/);
  await second;
  assert.deepEqual(order, ['first', 'second']);
});

test('a turn that is asked for in a section that writes is refused before its time comes', async () => {
  const turns = new MethodTurns('test');
  let end = (): void => undefined;
  const first = turns.take('first', () => new Promise<void>(resolve => (end = resolve)));
  const refused = inSection(writes, () => turns.take('second', () => assert.fail('it came')));
  await assert.rejects(refused, /^ContextSwitchError: second of the test waits/);
  end();
  await first;
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
