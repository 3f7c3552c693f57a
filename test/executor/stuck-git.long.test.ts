/** Git that no signal ends, as one that hangs in the kernel: no caller waits for it forever, and its repository is left alone. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { DroneTaskQueue, type TaskQueue } from 'drone-task-queue';
import { Merger } from 'drone-task-queue/executor';
import { FakeClock } from 'drone-task-queue/testing';
import { Git } from '../../src/executor/git.js';
import { silentLog } from '../../src/report/log.js';
import { leakCheck } from '../support/leak-check.js';
import { bench, benchIn, until } from './executors.js';
import { outOfFiles } from './process-out-of-files.js';
import { Workshop } from './repositories.js';

leakCheck();

const STUCK_PROCESS = fileURLToPath(new URL('./programs/stuck-process.js', import.meta.url));
const WEB = { connection: 'git', project: 'web' };
const API = { connection: 'git', project: 'api' };

/** As long as a file is there, a git that fetches hangs, and signals to groups do not arrive. */
class Hang {
  readonly #flag: string;
  readonly #pid: string;
  readonly #kill = process.kill.bind(process);
  readonly program: string;

  /** `ending` is how the leader goes on with its child, which hangs. */
  constructor(t: TestContext, workshop: Workshop, ending = 'wait') {
    this.#flag = join(workshop.folder, 'hangs');
    this.#pid = join(workshop.folder, 'pid');
    const hang = `sleep 1000 & echo $$ >${this.#pid}.part; mv ${this.#pid}.part ${this.#pid}; ${ending}`;
    this.program = workshop.insteadOf('fetch', `[ -e ${this.#flag} ] && { ${hang}; }`);
    t.mock.method(process, 'kill', (pid: number, signal?: NodeJS.Signals | 0) =>
      pid < 0 && signal !== 0 && existsSync(this.#flag) ? true : this.#kill(pid, signal),
    );
  }

  begin(): void {
    writeFileSync(this.#flag, '');
  }

  async begun(): Promise<void> {
    await until('git', () => existsSync(this.#pid));
  }

  /** What hung goes on, and finds that it was killed. */
  end(): void {
    rmSync(this.#flag);
    this.#kill(-Number(readFileSync(this.#pid, 'utf8')), 'SIGKILL');
  }
}

async function eventually(what: string, attempt: () => Promise<boolean>): Promise<void> {
  for (let left = 600; !(await attempt()); left--) {
    assert(left > 0, `${what} did not come`);
    await delay(50);
  }
}

for (const [what, ending] of [
  ['git that cannot be ended', 'wait'],
  ['a child of git that cannot be ended, when git itself has gone,', 'exit 1'],
] as const) {
  test(`${what} is given up in words, and keeps its place alone until it has gone`, async t => {
    using workshop = new Workshop();
    const hang = new Hang(t, workshop, ending);
    const lines: string[] = [];
    const log = { ...silentLog, error: (line: string) => void lines.push(line) };
    const git = new Git({ program: hang.program, timeoutMs: 300, killGraceMs: 50 }, log);
    hang.begin();
    await assert.rejects(git.run(['fetch', 'x'], { place: '/here' }), {
      code: 'ERR_GIT_STUCK',
      message: /^git fetch could not be killed \(process \d+\)/,
    });
    await hang.begun();
    assert.deepEqual(lines, ['git could not be killed and was left behind']);
    const another = new Git();
    await assert.rejects(another.run(['version'], { place: '/here' }), {
      code: 'ERR_GIT_STUCK',
      message: /^git version was not started because git hangs there \(process \d+\)$/,
    });
    assert.match((await another.run(['version'], { place: '/there' })).text, /^git version/);
    hang.end();
    await eventually('the place', async () =>
      another.run(['version'], { place: '/here' }).then(
        () => true,
        () => false,
      ),
    );
  });
}

test('close resolves though git cannot be ended, and its repository is refused to everybody until that has gone', async t => {
  const workshop = new Workshop();
  const hang = new Hang(t, workshop);
  const lines: string[] = [];
  const log = { ...silentLog, error: (line: string) => void lines.push(line) };
  await using all = benchIn(workshop, {}, { git: { program: hang.program }, log });
  const remote = workshop.remote('web');
  workshop.remote('api');
  const ref = remote.change('a', { 'a.txt': 'a' });
  await all.executor.update(WEB);
  hang.begin();
  const update = assert.rejects(all.executor.update(WEB), { code: 'ERR_EXECUTOR_STOPPED' });
  const job = all.jobs.submit('executor:execute', { projects: [{ ...WEB, branch: 'main' }], commands: [] });
  await hang.begun();
  await Promise.all([all.executor.close(), update]);
  assert.equal((await job).ok, false);
  assert.deepEqual(lines, ['repo_cache: git could not be killed and was left behind']);
  const cache = workshop.cache();
  await assert.rejects(cache.update(WEB), { code: 'ERR_GIT_STUCK' });
  await assert.rejects(cache.free(WEB), { code: 'ERR_GIT_STUCK' });
  await assert.rejects(cache.release(WEB, 'refs/drone/merges/1'), { code: 'ERR_GIT_STUCK' });
  const merger = new Merger(cache);
  await assert.rejects(merger.getFiles(WEB, 'main', []), { code: 'ERR_GIT_STUCK' });
  const items = [{ ...WEB, branch: 'main', ref }];
  const refused = await merger.mergeChanges(items);
  assert(!refused.ok);
  const { code, isTransient, item } = refused.error;
  assert.deepEqual([code, isTransient, item], ['ERR_GIT_STUCK', true, 0]);
  await cache.update(API);
  assert.equal(cache.locks, 0);
  hang.end();
  await eventually('the repository', async () => (await merger.mergeChanges(items)).ok);
});

test('git that cannot be looked for, for want of files, is taken to be there still, and its place is refused', async () => {
  using workshop = new Workshop();
  const file = join(workshop.folder, 'pid');
  const program = workshop.insteadOf('fetch', `echo $$ >${file}.part; mv ${file}.part ${file}; sleep 1000`);
  assert.equal(await outOfFiles(program, file), 'Error: given up, ERR_GIT_STUCK true\n');
});

test('git that was given up does not keep its process from its end', async t => {
  using workshop = new Workshop();
  const hang = new Hang(t, workshop);
  hang.begin();
  const args = [STUCK_PROCESS, workshop.cacheFolder, workshop.remote('web').folder, hang.program];
  const other = spawn(process.execPath, args, { stdio: ['pipe', 'ignore', 'inherit'] });
  await hang.begun();
  other.stdin.end('x');
  const [status] = (await once(other, 'exit')) as [number | null];
  assert.equal(status, 0);
  hang.end();
});

test('close resolves after a minute though the queue of a job does not close, and says so', async () => {
  const clock = new FakeClock();
  const lines: string[] = [];
  const log = { ...silentLog, error: (line: string) => void lines.push(line) };
  let isClosing = false;
  class Endless extends DroneTaskQueue {
    override async close(...args: Parameters<TaskQueue['close']>): ReturnType<DroneTaskQueue['close']> {
      await super.close(...args);
      isClosing = true;
      return new Promise(() => undefined);
    }
  }
  await using all = bench({ clock, log, queueFor: () => new Endless() });
  void all.jobs.submit('executor:execute', { projects: [], commands: [] });
  await until('the end of the queue', () => isClosing);
  let hasStopped = false;
  const stopped = all.executor.close().then(() => (hasStopped = true));
  await clock.advance(59_999);
  assert.equal(hasStopped, false);
  await clock.advance(1);
  await stopped;
  assert.deepEqual(lines, ['here: the executor was closed and left work behind']);
});
