import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import test from 'node:test';
import { events, publish } from '../../src/report/events.js';

test('a message is made only when somebody has subscribed', () => {
  publish(events.roundStart, () => assert.fail('nobody listens'));
  const heard: unknown[] = [];
  const listener = (message: unknown, name: unknown): number => heard.push([name, message]);
  subscribe(events.roundStart, listener);
  publish(events.roundStart, () => ({ queue: 'q', drones: 2 }));
  publish(events.roundEnd, () => assert.fail('nobody listens to this one'));
  unsubscribe(events.roundStart, listener);
  publish(events.roundStart, () => assert.fail('nobody listens any more'));
  assert.deepEqual(heard, [['drone-task-queue:round.start', { queue: 'q', drones: 2 }]]);
});

test('every event has a channel of its own under the package name', () => {
  const channels = Object.values(events);
  assert.equal(new Set(channels).size, channels.length);
  for (const name of channels) assert.match(name, /^drone-task-queue:[a-z]+\.[a-z]+$/);
});
