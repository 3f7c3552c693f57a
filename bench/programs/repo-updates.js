// Updates and merges in repositories, one after the other in each and all repositories at once: first with one lock for
// all of them, then with a lock for each.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Merger, RepoCache } from 'drone-task-queue/executor';
import { serve } from './program.js';

const IDENTITY = ['-c', 'user.name=bench', '-c', 'user.email=bench@localhost'];
const FILES = 200;

/** @param {string} folder @param {readonly string[]} args */
function git(folder, ...args) {
  execFileSync('git', ['-C', folder, ...IDENTITY, ...args], { stdio: 'ignore' });
}

/** A repository with a branch, and a change for it that is not in it. @param {string} folder */
function makeRemote(folder) {
  mkdirSync(folder, { recursive: true });
  git(folder, 'init', '--quiet', '--initial-branch=main');
  for (let file = 0; file < FILES; file++) writeFileSync(join(folder, `${file}.txt`), `${file}\n`.repeat(20));
  git(folder, 'add', '--all');
  git(folder, 'commit', '--quiet', '-m', 'files');
  git(folder, 'checkout', '--quiet', '-b', 'change');
  writeFileSync(join(folder, 'new.txt'), 'new\n');
  git(folder, 'add', '--all');
  git(folder, 'commit', '--quiet', '-m', 'change');
  git(folder, 'checkout', '--quiet', 'main');
  writeFileSync(join(folder, '0.txt'), 'changed\n');
  git(folder, 'commit', '--quiet', '--all', '-m', 'the branch goes on');
}

/** @param {RepoCache} cache @param {readonly string[]} projects @param {number} forMs */
async function measureCache(cache, projects, forMs) {
  const merger = new Merger(cache);
  let updates = 0;
  let merges = 0;
  let endMs = Infinity;
  /** @param {string} project */
  const workOn = async project => {
    const name = { connection: 'bench', project };
    do {
      await cache.update(name);
      updates++;
      const answer = await merger.mergeChanges([{ ...name, branch: 'main', ref: 'refs/heads/change' }]);
      if (!answer.ok) throw new Error(answer.error.message);
      await merger.release(answer.branches);
      merges++;
    } while (performance.now() < endMs);
  };
  // The first time makes the copies.
  endMs = 0;
  await Promise.all(projects.map(workOn));
  updates = merges = 0;
  const startMs = performance.now();
  endMs = startMs + forMs;
  await Promise.all(projects.map(workOn));
  const seconds = (performance.now() - startMs) / 1000;
  return { updatesPerSecond: updates / seconds, mergesPerSecond: merges / seconds };
}

serve(
  /** @param {{ folder: string, repositories: number, forMs: number }} task */
  async ({ folder, repositories, forMs }) => {
    const projects = Array.from({ length: repositories }, (_, at) => `project-${at}`);
    for (const project of projects) makeRemote(join(folder, 'remotes', project));
    /** @param {boolean} singleLock */
    const cacheWith = singleLock =>
      new RepoCache({
        folder: join(folder, singleLock ? 'single' : 'each'),
        urlOf: (_, project) => join(folder, 'remotes', project),
        singleLock,
      });
    const single = await measureCache(cacheWith(true), projects, forMs);
    const each = await measureCache(cacheWith(false), projects, forMs);
    return { single, each };
  },
);
