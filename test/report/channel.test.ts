import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import test from 'node:test';
import { events as executorEvents } from '../../src/executor/events.js';
import { events, publish, subscribe as subscribeTyped } from '../../src/queue/events.js';
import { events as schedulerEvents, subscribe as subscribeToTicks } from '../../src/scheduler/events.js';
import { events as shardEvents } from '../../src/shard/events.js';
import { events as storeEvents } from '../../src/store/events.js';
import { events as tenantEvents } from '../../src/tenants/events.js';

test('a message is made only for subscribers', () => {
  publish(events.roundStart, () => assert.fail('no listener'));
  const heard: unknown[] = [];
  const listener = (message: unknown, name: unknown): number => heard.push([name, message]);
  subscribe(events.roundStart, listener);
  publish(events.roundStart, () => ({ queue: 'q', drones: 2 }));
  publish(events.roundEnd, () => assert.fail('no listener for this one'));
  unsubscribe(events.roundStart, listener);
  publish(events.roundStart, () => assert.fail('no listener any more'));
  assert.deepEqual(heard, [['drone-task-queue:round.start', { queue: 'q', drones: 2 }]]);
});

test('a subscriber of an entry point gets messages of the event until it unsubscribes', () => {
  const rounds: number[] = [];
  const unsubscribe = subscribeTyped(events.roundStart, ({ drones }) => rounds.push(drones));
  const unsubscribeTicks = subscribeToTicks(schedulerEvents.tickStart, ({ tick }) => assert.fail(String(tick)));
  publish(events.roundStart, () => ({ queue: 'q', drones: 2 }));
  unsubscribe();
  unsubscribe();
  publish(events.roundStart, () => assert.fail('no listener any more'));
  unsubscribeTicks();
  assert.deepEqual(rounds, [2]);
});

test('every event of every product has a channel of its own under the package name', () => {
  const products = [events, schedulerEvents, storeEvents, executorEvents, tenantEvents, shardEvents];
  const channels = products.flatMap(names => Object.values(names));
  assert.equal(channels.length, 27);
  assert.equal(new Set(channels).size, channels.length);
  for (const name of channels) assert.match(name, /^drone-task-queue:[a-z]+\.[a-z]+(-[a-z]+)?$/);
});
