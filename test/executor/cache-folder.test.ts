/** The directory of a cache belongs to one process, whatever becomes of that process. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { Merger } from 'drone-task-queue/executor';
import { leakCheck } from '../support/leak-check.js';
import { isRunning } from '../support/processes-left.js';
import { benchIn, until, valueOf } from './executors.js';
import { git, type Remote, Workshop } from './repositories.js';

leakCheck();

const NAME = { connection: 'git', project: 'web' };
const programNamed = (name: string): string => fileURLToPath(new URL(`./programs/${name}.js`, import.meta.url));

interface Other extends AsyncDisposable {
  readonly process: ChildProcess;
  kill(): Promise<void>;
}

function start(name: string, ...args: string[]): Other {
  const other = spawn(process.execPath, [programNamed(name), ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(other, 'exit');
  const kill = async (): Promise<void> => {
    other.kill('SIGKILL');
    await exited;
  };
  return { process: other, kill, [Symbol.asyncDispose]: kill };
}

/** Another process that has used the cache, and lives on. */
async function holder(workshop: Workshop, remote: Remote): Promise<Other> {
  const other = start('holding-process', workshop.cacheFolder, remote.folder);
  assert.match(String(await once(other.process.stdout as never, 'data')), /updated/);
  return other;
}

test('a second process is refused before it touches anything, though the first is idle, and works after its KILL', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  const ref = remote.change('a', { 'a.txt': 'a' });
  await using other = await holder(workshop, remote);
  const theirs = join(workshop.gitDir(NAME.project), 'index.lock');
  writeFileSync(theirs, '');
  const cache = workshop.cache();
  const message = new RegExp(`process ${String(other.process.pid)} of .* uses it`);
  await assert.rejects(cache.update(NAME), { code: 'ERR_CACHE_IN_USE', message });
  await assert.rejects(cache.free(NAME), { code: 'ERR_CACHE_IN_USE' });
  await assert.rejects(new Merger(cache).getFiles(NAME, 'main', ['README.md']), { code: 'ERR_CACHE_IN_USE' });
  const merge = async (): ReturnType<Merger['mergeChanges']> =>
    new Merger(cache).mergeChanges([{ ...NAME, branch: 'main', ref }]);
  const refused = await merge();
  assert(!refused.ok);
  assert.deepEqual([refused.error.code, refused.error.isTransient], ['ERR_CACHE_IN_USE', true]);
  assert.equal(existsSync(theirs), true);
  await other.kill();
  assert.equal((await merge()).ok, true);
  assert.equal(existsSync(theirs), false);
});

test('an executor takes no jobs while another process has its cache, says so once, and takes them afterwards', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  const lines: string[] = [];
  const add = (line: string): void => void lines.push(line);
  const log = { debug() {}, info: add, warn: add, error: add };
  await using other = await holder(workshop, remote);
  await using all = benchIn(workshop, { log });
  const answer = all.jobs.submit('merger:cat', { ...NAME, branch: 'main', files: ['README.md'] });
  const stop = all.jobs.submit('executor:stop:here', { id: 'x' });
  const message = new RegExp(`process ${String(other.process.pid)} of .* uses it`);
  await assert.rejects(all.executor.ready(), { code: 'ERR_CACHE_IN_USE', message });
  assert.deepEqual(all.executor.running, []);
  assert.equal(lines.filter(line => /takes no jobs: the cache in .* cannot be used/.test(line)).length, 1);
  await other.kill();
  assert.deepEqual(valueOf(await answer).files, { 'README.md': 'first\n' });
  await all.executor.ready();
  assert.equal(lines.filter(line => line.endsWith('the executor takes jobs: it has its cache')).length, 1);
  await stop;
  await all.executor.close();
  await assert.rejects(all.executor.ready(), { code: 'ERR_EXECUTOR_STOPPED' });
});

test('git that outlives its process keeps the folder, also where it is not known as git of an executor', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  const file = join(workshop.folder, 'pid');
  // As in another container: nothing of its arguments is to be seen.
  const program = workshop.insteadOf('fetch', `echo $$ >${file}.part; mv ${file}.part ${file}; exec sleep 1000`);
  await using other = start('cache-process', workshop.cacheFolder, remote.folder, program);
  await until('git', () => existsSync(file));
  const pid = Number(readFileSync(file, 'utf8'));
  try {
    await other.kill();
    assert.equal(isRunning(pid), true);
    await assert.rejects(workshop.cache().update(NAME), { code: 'ERR_CACHE_IN_USE', message: /or its git, uses it$/ });
  } finally {
    process.kill(-pid, 'SIGKILL');
  }
  await until('the end of git', () => !isRunning(pid));
  await workshop.cache().update(NAME);
});

test('a cache that is closed leaves its folder to another process, and its next use takes it again', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  const [one, two] = [workshop.cache(), workshop.cache()];
  await Promise.all([one.update(NAME), two.update(NAME)]);
  await one.close();
  await two.close();
  await using other = await holder(workshop, remote);
  await assert.rejects(two.update(NAME), { code: 'ERR_CACHE_IN_USE' });
  await other.kill();
  await one.update(NAME);
  await one.close();
});

test('a folder that is removed and made again is locked again, and another path of it is refused', async () => {
  using workshop = new Workshop();
  workshop.remote(NAME.project);
  const cache = workshop.cache();
  await cache.update(NAME);
  rmSync(workshop.cacheFolder, { recursive: true });
  await cache.update(NAME);
  const link = join(workshop.folder, 'link');
  symlinkSync(workshop.cacheFolder, link);
  const otherPath = workshop.cache({ folder: link });
  await assert.rejects(otherPath.update(NAME), { code: 'ERR_CACHE_IN_USE' });
  await cache.close();
  await otherPath.update(NAME);
  await otherPath.close();
});

test('where files cannot be locked, a line says so, and a process of this machine is refused all the same', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  const lines: string[] = [];
  const log = { debug() {}, info() {}, warn: (line: string) => void lines.push(line), error() {} };
  // A flock such as that of a file system without locks.
  const bin = join(workshop.folder, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'flock'), '#!/bin/sh\necho "flock: 3: No locks available" >&2\nexit 71\n', { mode: 0o755 });
  const path = process.env['PATH'];
  process.env['PATH'] = `${bin}:${String(path)}`;
  try {
    await using other = await holder(workshop, remote);
    await assert.rejects(workshop.cache({ log }).update(NAME), { code: 'ERR_CACHE_IN_USE' });
    await other.kill();
    await workshop.cache({ log }).update(NAME);
    assert.match(lines.join('\n'), /cannot be locked/);
    assert.match(git(workshop.gitDir(NAME.project), 'for-each-ref'), /refs\/heads\/main/);
    assert.deepEqual(readdirSync(workshop.cacheFolder).sort(), ['@lock', 'git']);
  } finally {
    process.env['PATH'] = path;
  }
});
