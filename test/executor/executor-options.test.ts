/** What an executor cannot work with. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { DroneTaskQueue, LocalDrone } from 'drone-task-queue';
import { MemoryJobSource, RepoExecutor } from 'drone-task-queue/executor';
import { valueOf } from './executors.js';
import { Workshop } from './repositories.js';

test('a cache and a source of jobs are enough for an executor: this machine runs its jobs', async () => {
  using workshop = new Workshop();
  workshop.remote('web');
  const jobs = new MemoryJobSource();
  const executor = new RepoExecutor({ cache: workshop.cache(), jobs });
  try {
    const projects = [{ connection: 'git', project: 'web' }];
    const job = { projects, commands: ['cat git/web/README.md; pwd'], timeoutMs: 3_600_000 };
    const { hostname, commands } = valueOf(await jobs.submit('executor:execute', job));
    const [text, folder] = commands[0]?.result.stdout.split('\n') ?? [];
    assert.deepEqual([hostname, text], [new LocalDrone().hostname, 'first']);
    assert(folder?.startsWith(join(workshop.cacheFolder, '@workspaces', 'job_')));
    assert.deepEqual(readdirSync(join(workshop.cacheFolder, '@workspaces')), []);
  } finally {
    await executor.close();
    jobs.close();
  }
});

test('an executor of merger jobs alone needs no more either, and makes no workspaces', async () => {
  using workshop = new Workshop();
  workshop.remote('web');
  const jobs = new MemoryJobSource();
  const executor = new RepoExecutor({ cache: workshop.cache(), jobs, lanes: ['merger'] });
  try {
    const cat = { connection: 'git', project: 'web', branch: 'main', files: ['README.md'] };
    assert.deepEqual(valueOf(await jobs.submit('merger:cat', cat)).files, { 'README.md': 'first\n' });
    assert.equal(existsSync(join(workshop.cacheFolder, '@workspaces')), false);
  } finally {
    await executor.close();
    jobs.close();
  }
});

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
    { queueFor: {} },
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
