/** Reports of an executor's jobs and updates. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { events, type JobEnd, type UpdateEnd } from 'drone-task-queue/executor';
import { leakCheck } from '../support/leak-check.js';
import { bench, benchIn, until, untyped } from './executors.js';
import { Workshop } from './repositories.js';

leakCheck();

const WEB = { connection: 'git', project: 'web', branch: 'main' };

/** Metrics without what they take, in their order. */
function recorder() {
  const lines: string[] = [];
  const gauges = new Map<string, number[]>();
  const stats = {
    timing: (name: string, ms: number): void => {
      assert(ms >= 0);
      lines.push(name);
    },
    increment: (name: string, value?: number): void => void lines.push(`${name} +${String(value)}`),
    gauge: (name: string, value: number): void => void gauges.set(name, [...(gauges.get(name) ?? []), value]),
  };
  return { lines, gauges, stats };
}

test('jobs, merges, updates and failures by kind are metrics under the name of the host', async () => {
  const { lines, gauges, stats } = recorder();
  await using all = bench({ host: 'web1.example', stats });
  const web = all.workshop.remote('web');
  const ref = web.change('a', { 'README.md': 'theirs\n' });
  await all.jobs.submit('merger:merge', { items: [{ ...WEB, ref }] });
  web.commit({ 'README.md': 'ours\n' });
  await all.jobs.submit('merger:merge', { items: [{ ...WEB, ref }] });
  await all.jobs.submit('executor:execute', { projects: [WEB], commands: ['false'] });
  await untyped(all.jobs).submit('executor:dance', null);
  rmSync(web.folder, { recursive: true });
  await all.jobs.submit('merger:cat', { ...WEB, files: [] });
  const of = 'drone_task_queue.web1_example';
  assert.deepEqual(lines, [
    `${of}.job.merge`,
    `${of}.merges +1`,
    `${of}.job.merge`,
    `${of}.merges_refused +1`,
    `${of}.update`,
    `${of}.job.execute`,
    `${of}.job_failures.ERR_NO_SUCH_JOB +1`,
    `${of}.job.dance`,
    `${of}.update_failures.ERR_NO_REPOSITORY +1`,
    `${of}.update`,
    `${of}.job_failures.ERR_NO_REPOSITORY +1`,
    `${of}.job.cat`,
  ]);
  assert.deepEqual(gauges.get(`${of}.jobs_running`), [1, 0, 1, 0, 1, 0, 1, 0, 1, 0]);
});

test('the updates that wait are a gauge that goes up and down again', async () => {
  const { gauges, stats } = recorder();
  const workshop = new Workshop();
  const [begun, goOn] = ['begun', 'go-on'].map(name => join(workshop.folder, name)) as [string, string];
  const hold = `touch ${begun}; until [ -e ${goOn} ]; do sleep 0.02; done`;
  const program = workshop.insteadOf('fetch', hold);
  await using all = benchIn(workshop, { host: 'here', stats, updateWorkers: 1 }, { git: { program } });
  workshop.remote('web');
  const updates = [all.executor.update(WEB)];
  await until('the update', () => existsSync(begun));
  for (let more = 0; more < 2; more++) updates.push(all.executor.update(WEB));
  writeFileSync(goOn, '');
  await Promise.all(updates);
  const waiting = gauges.get('drone_task_queue.here.updates_waiting') ?? [];
  assert.equal(Math.max(...waiting), 1, 'equal ones are one');
  assert.equal(waiting.at(-1), 0);
});

test('the end of each job and of each update is an event', async () => {
  const heard: (JobEnd | UpdateEnd)[] = [];
  const listener = (message: unknown): void => void heard.push(message as JobEnd | UpdateEnd);
  for (const name of [events.jobEnd, events.updateEnd]) subscribe(name, listener);
  try {
    await using all = bench();
    all.workshop.remote('web');
    await all.jobs.submit('merger:cat', { ...WEB, files: [] }, 'one');
    await untyped(all.jobs).submit('executor:execute', null, 'two');
  } finally {
    for (const name of [events.jobEnd, events.updateEnd]) unsubscribe(name, listener);
  }
  const facts = heard.map(message => {
    assert(message.tookMs >= 0);
    return 'id' in message
      ? [message.host, message.id, message.job, message.failed, (message.error as { code?: string } | undefined)?.code]
      : [message.host, message.connection, message.project, message.failed];
  });
  assert.deepEqual(facts, [
    ['here', 'git', 'web', false],
    ['here', 'one', 'merger:cat', false, undefined],
    ['here', 'two', 'executor:execute', true, 'ERR_INVALID_ARG'],
  ]);
});
