/** What an executor cannot work with. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { DroneTaskQueue, LocalDrone } from 'drone-task-queue';
import { MemoryJobSource, RepoExecutor } from 'drone-task-queue/executor';
import { Workshop } from './repositories.js';

test('options of an executor that cannot be are refused', () => {
  using workshop = new Workshop();
  const good = {
    cache: workshop.cache(),
    jobs: new MemoryJobSource(),
    workspaces: workshop.folder,
    droneFor: () => new LocalDrone(),
    queueFor: () => new DroneTaskQueue(),
  };
  const bad: readonly object[] = [
    { cache: {} },
    { jobs: {} },
    { droneFor: 1 },
    { queueFor: undefined },
    { mayFetchFrom: 'x' },
    { workspaces: '' },
    { droneFolder: 'a b' },
    { droneFolder: '-a' },
    { maxJobs: 0 },
    { updateWorkers: 1.5 },
    { maxMergeWaitMs: -1 },
    { nonsense: 1 },
  ];
  for (const options of bad) {
    assert.throws(() => new RepoExecutor({ ...good, ...options }), { code: 'ERR_INVALID_ARG' });
  }
});
