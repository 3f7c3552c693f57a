/** The locks of repositories with updates, which want one, and merges, which want several: random claims in random orders. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type MergeItem, Merger } from 'drone-task-queue/executor';
import fc from 'fast-check';
import { RepoCache } from '../../src/executor/repo-cache.js';
import { leakCheck } from '../support/leak-check.js';
import { Workshop } from './repositories.js';

leakCheck();

const PROJECTS = ['a', 'b', 'c', 'd', 'e'];

/** Far longer than any history of claims takes. */
const DEADLOCK_MS = 60_000;

/** A claim on repositories; how long it holds them, in turns of the event loop. */
interface Claim {
  readonly projects: readonly string[];
  readonly turns: number;
  /** Gives up after so many turns if he has not got them by then; never when it is undefined. */
  readonly patience: number | undefined;
}

const claim: fc.Arbitrary<Claim> = fc.record({
  // In any order, and twice.
  projects: fc.array(fc.constantFrom(...PROJECTS), { minLength: 1, maxLength: 4 }),
  turns: fc.nat(3),
  patience: fc.option(fc.nat(6), { nil: undefined }),
});

async function turn(): Promise<void> {
  await new Promise(setImmediate);
}

/** What becomes of all claims, made in their order; fails when two have one repository, or when none gets on. */
async function play(cache: RepoCache, claims: readonly Claim[], hasSingleLock: boolean): Promise<void> {
  const holders = new Map<string, number>();
  /** Of each repository, who got it when. */
  const order = new Map<string, number[]>();
  const lockOf = (project: string): string => (hasSingleLock ? 'all' : project);
  let ended = 0;
  const hold = async (at: number, { projects, turns }: Claim): Promise<void> => {
    const locks = new Set(projects.map(lockOf));
    for (const lock of locks) {
      assert.equal(holders.get(lock), undefined, 'no other has it');
      holders.set(lock, at);
      order.set(lock, [...(order.get(lock) ?? []), at]);
    }
    for (let left = turns; left > 0; left--) await turn();
    for (const lock of locks) holders.delete(lock);
  };
  const all = claims.map(async (one, at) => {
    const stop = new AbortController();
    const names = one.projects.map(project => ({ connection: 'git', project }));
    const held = cache
      .withRepos(names, async () => hold(at, one), stop.signal)
      .catch((error: unknown) => {
        assert.equal((error as Error).message, 'given up');
      });
    for (let left = one.patience ?? 0; left > 0; left--) await turn();
    if (one.patience !== undefined) stop.abort(new Error('given up'));
    await held;
    ended += 1;
  });
  // A deadlock would hold it up forever. Each claim looks at the directory on disk, so turns alone do not tell how long that takes.
  const untilMs = performance.now() + DEADLOCK_MS;
  while (ended < claims.length && performance.now() < untilMs) await turn();
  assert.equal(ended, claims.length, 'all have ended');
  await Promise.all(all);
  for (const got of order.values())
    assert.deepEqual(
      got,
      [...got].sort((one, other) => one - other),
      'first come first served',
    );
  assert.equal(cache.locks, 0);
}

for (const singleLock of [false, true]) {
  const title = singleLock ? 'a single lock' : 'a lock for each repository';
  test(`with ${title} updates and merges in random orders never meet in one, never deadlock, and have their turns`, async () => {
    using workshop = new Workshop();
    const cache = new RepoCache({ folder: workshop.cacheFolder, urlOf: () => '/nowhere', singleLock });
    // The first use of each reads processes and makes directories, which takes as many turns of the event loop as it takes.
    const names = PROJECTS.map(project => ({ connection: 'git', project }));
    await cache.withRepos(names, async () => undefined);
    await fc.assert(
      fc.asyncProperty(fc.array(claim, { maxLength: 12 }), async claims => play(cache, claims, singleLock)),
      { numRuns: 100 },
    );
  });
}

test('while a merge is at any of its items nothing else is done in any of its repositories', async () => {
  using workshop = new Workshop();
  const [begun, goOn] = ['begun', 'go-on'].map(name => join(workshop.folder, name)) as [string, string];
  const hold = `case "$*" in *api.git*) touch ${begun}; until [ -e ${goOn} ]; do sleep 0.02; done;; esac`;
  const cache = workshop.cache({ git: { program: workshop.insteadOf('merge-tree', hold) } });
  const merger = new Merger(cache);
  const item = (project: string, name: string): MergeItem => {
    const remote = workshop.remote(project);
    const ref = remote.change(name, { [`${name}.txt`]: name });
    remote.commit({ 'main.txt': 'm' });
    return { connection: 'git', project, branch: 'main', ref };
  };
  const [web, api] = [item('web', 'a'), item('api', 'b')];
  workshop.remote('other');
  const order: string[] = [];
  const told = async (what: string, work: Promise<unknown>): Promise<void> => {
    await work;
    order.push(what);
  };
  const merge = told('merge', merger.mergeChanges([web, api, web]));
  while (!existsSync(begun)) await delay(10);
  const others = [web, api].flatMap(({ connection, project }) => {
    const name = { connection, project };
    return [
      told('update', cache.update(name)),
      told('files', merger.getFiles(name, 'main', ['README.md'])),
      told('release', cache.release(name, 'refs/drone/merges/1')),
      told('merge of one', merger.mergeChanges([project === 'web' ? web : api])),
    ];
  });
  // As long as all that takes elsewhere.
  const other = { connection: 'git', project: 'other' };
  await cache.update(other);
  await merger.getFiles(other, 'main', ['README.md']);
  const during = [...order];
  writeFileSync(goOn, '');
  await Promise.all([merge, ...others]);
  assert.deepEqual([during, order[0]], [[], 'merge']);
});
