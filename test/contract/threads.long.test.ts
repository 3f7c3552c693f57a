/** A thread that hangs for good: it has a core to itself until it is ended. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type DroneError, events, ThreadedTaskQueue } from 'drone-task-queue';
import { FakeDrone } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { rejectionOf } from './rejections.js';
import { Witness } from './witness.js';

leakCheck();

test('without a threadTimeoutMs a thread that hangs is still ended by close', async () => {
  using opened = new Witness(events.linkOpen);
  const queue = new ThreadedTaskQueue({ threads: 1, threadTimeoutMs: Infinity, killGraceMs: 10 });
  const drone = new FakeDrone('web1', { echo: (value: number): number => value });
  drone.misbehave('thread-loop');
  const call = rejectionOf(queue.call(drone, 'echo', 1));
  await opened.first();
  assert.deepEqual(await queue.close({ graceMs: 0 }), { abandoned: [] });
  assert.equal(((await call) as DroneError).kind, 'cancelled');
});
