/** Git does not outlive the process that started it, or at least not the start of the next one. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { leakCheck } from '../support/leak-check.js';
import { isRunning } from '../support/processes-left.js';
import { until } from './executors.js';
import { git, Workshop } from './repositories.js';

leakCheck();

const NAME = { connection: 'git', project: 'web' };
const CACHE_PROCESS = fileURLToPath(new URL('./programs/cache-process.js', import.meta.url));

/** A process whose git hangs in the cache, and that git's number; both are ended at the end of a test. */
interface Hanging extends Disposable {
  readonly other: ChildProcess;
  readonly pid: number;
}

async function hangIn(workshop: Workshop): Promise<Hanging> {
  const remote = workshop.remote('web');
  const file = join(workshop.folder, 'pid');
  const program = workshop.insteadOf('fetch', `echo $$ >${file}.part; mv ${file}.part ${file}; sleep 1000`);
  const args = [CACHE_PROCESS, workshop.cacheFolder, remote.folder, program];
  const other = spawn(process.execPath, args, { stdio: ['pipe', 'ignore', 'inherit'] });
  await until('git', () => existsSync(file));
  const pid = Number(readFileSync(file, 'utf8'));
  const end = (): void => {
    other.kill('SIGKILL');
    if (isRunning(pid)) process.kill(-pid, 'SIGKILL');
  };
  return { other, pid, [Symbol.dispose]: end };
}

test('git is ended with the process that started it, when that exits in mid-update', async () => {
  using workshop = new Workshop();
  using hanging = await hangIn(workshop);
  const { other, pid } = hanging;
  other.stdin?.write('x');
  await once(other, 'exit');
  await until('the end of git', () => !isRunning(pid));
});

test('git of a process that was killed is ended before the next one touches its repository', async () => {
  using workshop = new Workshop();
  using hanging = await hangIn(workshop);
  const { other, pid } = hanging;
  other.kill('SIGKILL');
  await once(other, 'exit');
  assert.equal(isRunning(pid), true);
  const gitDir = workshop.gitDir('web');
  mkdirSync(gitDir, { recursive: true });
  writeFileSync(join(gitDir, 'packed-refs.lock'), '');
  await workshop.cache().update(NAME);
  assert.equal(isRunning(pid), false);
  assert.match(git(gitDir, 'for-each-ref'), /refs\/heads\/main/);
});

test('a cache in which another process is at work is refused, and can be used when that has ended', async () => {
  using workshop = new Workshop();
  using hanging = await hangIn(workshop);
  const { other, pid } = hanging;
  const cache = workshop.cache();
  await assert.rejects(cache.update(NAME), { code: 'ERR_CACHE_IN_USE' });
  assert.equal(isRunning(pid), true);
  other.kill('SIGKILL');
  await once(other, 'exit');
  await cache.update(NAME);
});

test('git of another container, which may be at work behind the same path elsewhere, is refused and not ended', async () => {
  using workshop = new Workshop();
  workshop.remote('web');
  const cache = workshop.cache();
  const gitDir = join(workshop.cacheFolder, 'theirs');
  const args = ['-c', 'sleep 1000; :', 'git', '-c', 'drone.controller=1@000000000000', `--git-dir=${gitDir}`, 'fetch'];
  const theirs = spawn('sh', args, { stdio: 'ignore', detached: true });
  try {
    await assert.rejects(cache.update(NAME), { code: 'ERR_CACHE_IN_USE', message: /git of another container/ });
    assert.deepEqual([theirs.exitCode, theirs.signalCode], [null, null]);
  } finally {
    process.kill(-Number(theirs.pid), 'SIGKILL');
    await once(theirs, 'exit');
  }
  await cache.update(NAME);
});
