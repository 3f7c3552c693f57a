/** What a power cut leaves of a copy: after it the next job works, in the process that goes on and in a new one. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { type MergedBranch, Merger, type RepoCache } from 'drone-task-queue/executor';
import { git, type Remote, Workshop } from './repositories.js';

export const NAME = { connection: 'git', project: 'web' };

function zeros(file: string): void {
  writeFileSync(file, Buffer.alloc(Math.max(statSync(file).size, 100)));
}

function all(gitDir: string, pattern: RegExp): string[] {
  const paths = readdirSync(gitDir, { recursive: true, encoding: 'utf8' }).filter(path => pattern.test(path));
  assert(paths.length > 0, `no file is like ${String(pattern)}`);
  return paths.map(path => join(gitDir, path));
}

function write(gitDir: string, path: string, text: string): void {
  mkdirSync(dirname(join(gitDir, path)), { recursive: true });
  writeFileSync(join(gitDir, path), text);
}

const LOCKS = ['HEAD.lock', 'config.lock', 'packed-refs.lock', 'packed-refs.new', 'shallow.lock', 'index.lock'];
LOCKS.push('refs/heads/main.lock', 'objects/info/commit-graph.lock', 'objects/pack/multi-pack-index.lock');
LOCKS.push('objects/info/commit-graphs/commit-graph-chain.lock', 'refs/drone/merges/1.lock');

/** Of a copy that is packed, has a commit-graph and a midx, and a merge result besides. */
export const DAMAGES: Readonly<Record<string, (gitDir: string) => void>> = {
  'packed-refs of zero bytes': gitDir => zeros(join(gitDir, 'packed-refs')),
  'packed-refs that ends in zero bytes': gitDir =>
    writeFileSync(
      join(gitDir, 'packed-refs'),
      Buffer.concat([readFileSync(join(gitDir, 'packed-refs')), Buffer.alloc(64)]),
    ),
  'packed-refs cut off': gitDir => truncateSync(join(gitDir, 'packed-refs'), 70),
  'an empty loose ref': gitDir => write(gitDir, 'refs/heads/main', ''),
  'a loose ref of zero bytes': gitDir => write(gitDir, 'refs/heads/main', '\0'.repeat(41)),
  'a HEAD of zero bytes': gitDir => zeros(join(gitDir, 'HEAD')),
  'an empty HEAD': gitDir => truncateSync(join(gitDir, 'HEAD'), 0),
  'a config of zero bytes': gitDir => zeros(join(gitDir, 'config')),
  'an empty config': gitDir => truncateSync(join(gitDir, 'config'), 0),
  'packs cut off': gitDir => all(gitDir, /\.pack$/).forEach(file => truncateSync(file, 40)),
  'packs of zero bytes': gitDir => all(gitDir, /\.pack$/).forEach(zeros),
  'indexes of packs cut off': gitDir => all(gitDir, /\.idx$/).forEach(file => truncateSync(file, 40)),
  'indexes of packs of zero bytes': gitDir => all(gitDir, /\.idx$/).forEach(zeros),
  'no packs': gitDir => all(gitDir, /\.pack$/).forEach(file => rmSync(file)),
  'a commit-graph of zero bytes': gitDir => all(gitDir, /commit-graph$/).forEach(zeros),
  'a commit-graph cut off': gitDir => all(gitDir, /commit-graph$/).forEach(file => truncateSync(file, 30)),
  'a midx of zero bytes': gitDir => all(gitDir, /multi-pack-index$/).forEach(zeros),
  'a midx cut off': gitDir => all(gitDir, /multi-pack-index$/).forEach(file => truncateSync(file, 20)),
  'a shallow file of zero bytes': gitDir => write(gitDir, 'shallow', '\0'.repeat(41)),
  'a shallow file cut off': gitDir => write(gitDir, 'shallow', '0123456'),
  locks: gitDir => LOCKS.forEach(path => write(gitDir, path, '')),
};

export function prepare(remote: Remote): string {
  remote.commit({ 'a.txt': 'a' });
  const ref = remote.change('one', { 'one.txt': '1' });
  remote.commit({ 'main.txt': 'm' });
  return ref;
}

export async function works(cache: RepoCache, ref: string): Promise<MergedBranch> {
  const merger = new Merger(cache);
  assert.deepEqual(await merger.getFiles(NAME, 'main', ['a.txt']), { 'a.txt': 'a' });
  await cache.update(NAME);
  const answer = await merger.mergeChanges([{ ...NAME, branch: 'main', ref }], ['one.txt', 'main.txt']);
  assert(answer.ok, answer.ok ? '' : answer.error.message);
  assert.deepEqual(answer.files, [{ 'one.txt': '1', 'main.txt': 'm' }]);
  const [branch] = answer.branches;
  assert(branch);
  return branch;
}

export function testDamage(what: string, damage: (gitDir: string) => void): void {
  test(`jobs work after a power cut that leaves ${what}`, async () => {
    using workshop = new Workshop();
    const remote = workshop.remote(NAME.project);
    const ref = prepare(remote);
    const cache = workshop.cache();
    const branch = await works(cache, ref);
    const gitDir = workshop.gitDir(NAME.project);
    const pack = (): void => {
      git(gitDir, 'gc', '--quiet');
      git(gitDir, 'commit-graph', 'write', '--reachable');
      git(gitDir, 'multi-pack-index', 'write');
    };
    pack();
    damage(gitDir);
    // First in the process that goes on, then in a new one, and the release of what was there before.
    const later = await works(cache, ref);
    await workshop.cache().update(NAME);
    pack();
    damage(gitDir);
    await works(workshop.cache(), ref);
    await new Merger(cache).release([branch, later]);
    git(gitDir, 'rev-list', '--objects', '--all');
    assert.deepEqual(
      readdirSync(gitDir).filter(name => /\.(lock|new)$/.test(name)),
      [],
    );
  });
}
