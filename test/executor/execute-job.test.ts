/** What is left on a drone after a job: nothing, however the job ends, and that changes nothing for its report. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type Drone, DroneTaskQueue } from 'drone-task-queue';
import type { ExecuteJob } from 'drone-task-queue/executor';
import { FakeDrone } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { bench, codeOf, failedReportOf, until, valueOf } from './executors.js';

leakCheck();

const GOOD = { exitCode: 0, signal: null, stdout: '', stderr: '', durationMs: 0, truncated: false, totalBytes: {} };
const COPIED = { bytes: 0, files: 0, directories: 0, links: 0, leftOut: [] };

/** Notes its commands, without the directory's own name. */
function droneThat(seen: string[], run: (command: string) => unknown, copy: () => unknown = () => COPIED): Drone {
  const note = (command: string): unknown => {
    seen.push(command.replace(/[^/ ]*$/, ''));
    return run(command);
  };
  return new FakeDrone('web1', { putDirectory: copy, run: note }) as unknown as Drone;
}

function isRemoval(command: string): boolean {
  return command.startsWith('rm -rf ');
}

test('the workspace on a drone is removed also after a failure', async () => {
  const seen: string[] = [];
  const fail = (command: string): unknown => {
    if (isRemoval(command)) return GOOD;
    throw new Error('no more');
  };
  await using all = bench({ droneFor: () => droneThat(seen, fail), droneFolder: 'work' });
  const job = { projects: [], commands: ['make a/', 'make b/'] };
  const answer = await all.jobs.submit('executor:execute', job);
  assert.equal(codeOf(answer), 'ERR_DRONE_FAILED');
  assert.equal(failedReportOf(answer).failure?.command, 'make a/');
  assert.deepEqual(seen, ['make a/', 'rm -rf -- work/']);
});

test('the workspace on a drone is removed also when the job is stopped or its copy has failed on the way', async () => {
  const seen: string[] = [];
  const hang = async (command: string): Promise<unknown> => (isRemoval(command) ? GOOD : new Promise(() => undefined));
  await using all = bench({ droneFor: () => droneThat(seen, hang), droneFolder: 'work' });
  const running = all.jobs.submit('executor:execute', { projects: [], commands: ['make a/'] }, 'one');
  await until('the command', () => seen.length > 0);
  await all.jobs.submit('executor:stop:here', { id: 'one' });
  assert.equal(codeOf(await running), 'ERR_EXECUTOR_STOPPED');
  assert.deepEqual(seen, ['make a/', 'rm -rf -- work/']);

  const failing = (): never => {
    throw new Error('disk full');
  };
  seen.length = 0;
  await using other = bench({ droneFor: () => droneThat(seen, () => GOOD, failing), droneFolder: 'work' });
  const job = { projects: [], commands: ['make a/'] };
  const report = failedReportOf(await other.jobs.submit('executor:execute', job));
  assert.deepEqual([report.failure?.kind, report.failure?.command], ['call', undefined]);
  assert.deepEqual(seen, ['rm -rf -- work/']);
});

test('a workspace that cannot be removed from a drone makes no job a failure', async () => {
  const lines: string[] = [];
  const log = { debug() {}, info() {}, warn: (line: string) => void lines.push(line), error() {} };
  for (const removal of [() => ({ ...GOOD, exitCode: 1, stderr: 'busy' }), () => assert.fail('no more')]) {
    const run = (command: string): unknown => (isRemoval(command) ? removal() : GOOD);
    await using all = bench({ droneFor: () => droneThat([], run), log });
    const report = valueOf(await all.jobs.submit('executor:execute', { projects: [], commands: ['make a/'] }));
    assert.equal(report.failure, null);
  }
  assert.deepEqual(lines, Array(2).fill('here: a workspace on a drone could not be removed'));
});

test('the queue of a job is made for that job', async () => {
  const jobs: ExecuteJob[] = [];
  const queueFor = (job: ExecuteJob): DroneTaskQueue => {
    jobs.push(job);
    return new DroneTaskQueue({ killGraceMs: 200, roundDeadlineMs: 10 * (job.timeoutMs ?? 1000) });
  };
  await using all = bench({ queueFor });
  valueOf(await all.jobs.submit('executor:execute', { projects: [], commands: ['true'], timeoutMs: 60_000 }));
  assert.deepEqual(jobs, [{ projects: [], commands: ['true'], timeoutMs: 60_000 }]);
});
