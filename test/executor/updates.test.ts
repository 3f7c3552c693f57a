/** Which requests for updates are done together. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Gate } from 'drone-task-queue/testing';
import { Updates } from '../../src/executor/updates.js';
import { leakCheck } from '../support/leak-check.js';

leakCheck();

const NEVER = new AbortController().signal;

test('requests for one project are done by one update while it waits, and those for others by their own', async () => {
  const gate = new Gate();
  const done: string[] = [];
  const updates = new Updates(async ({ connection, project }) => {
    done.push(`${connection}:${project}`);
    if (done.length === 1) await gate.wait();
  }, 1);
  const request = async (connection: string, project: string): Promise<void> =>
    updates.request({ connection, project }, NEVER);
  const first = request('git', 'web');
  await gate.arrived();
  const later = [
    request('git', 'web'),
    request('git', 'api'),
    request('other', 'web'),
    request('git', 'web'),
    updates.requestAll(
      ['api', 'web', 'api'].map(project => ({ connection: 'git', project })),
      NEVER,
    ),
  ];
  gate.open();
  await Promise.all([first, ...later]);
  assert.deepEqual(done, ['git:web', 'git:web', 'git:api', 'other:web']);
  await updates.stop(new Error('the end'));
});

test('requests for several are settled when all of them are, though the first has failed', async () => {
  const gate = new Gate();
  const updates = new Updates(async ({ project }) => {
    if (project === 'bad') throw new Error('broken');
    await gate.wait();
  }, 2);
  const names = ['bad', 'slow'].map(project => ({ connection: 'git', project }));
  let hasFailed = false;
  const all = updates.requestAll(names, NEVER).catch((error: unknown) => {
    hasFailed = true;
    throw error;
  });
  await gate.arrived();
  await new Promise(setImmediate);
  assert.equal(hasFailed, false);
  gate.open();
  await assert.rejects(all, /broken/);
  await updates.stop(new Error('the end'));
});
