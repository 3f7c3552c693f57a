/** How git is run, and what becomes of one that does not behave. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Git } from '../../src/executor/git.js';
import { leakCheck } from '../support/leak-check.js';
import { isRunning } from '../support/processes-left.js';
import { until } from './executors.js';
import { outOfFiles } from './process-out-of-files.js';
import { Workshop } from './repositories.js';

leakCheck();

/** Writes the pids of itself and a child, and hangs; neither heeds TERM. */
const STUBBORN = (file: string): string =>
  `trap '' TERM; sleep 1000 & echo $$ $! >${file}.part; mv ${file}.part ${file}; wait; wait`;

async function pidsIn(file: string): Promise<number[]> {
  await until(file, () => existsSync(file));
  return readFileSync(file, 'utf8').trim().split(' ').map(Number);
}

test('git that hangs is ended with its children when its time is over', async () => {
  using workshop = new Workshop();
  const file = join(workshop.folder, 'pids');
  const git = new Git({ program: workshop.insteadOf('fetch', STUBBORN(file)), timeoutMs: 300, killGraceMs: 50 });
  await assert.rejects(git.run(['fetch', 'x'], { isRemote: true }), { code: 'ERR_GIT_TIMEOUT', command: 'fetch' });
  // On a slow machine it may have been ended before it wrote them.
  const pids = existsSync(file) ? await pidsIn(file) : [];
  for (const pid of pids) await until('the end of a process', () => !isRunning(pid));
});

test('a command may have a time limit of its own', async () => {
  using workshop = new Workshop();
  const git = new Git({ program: workshop.insteadOf('gc', 'sleep 0.3; echo done; exit'), timeoutMs: 20 });
  const { text } = await git.run(['gc'], { timeoutMs: 600_000 });
  assert.equal(text, 'done');
});

test('a failure names the command, whatever stands before it, and the repository', async () => {
  const git = new Git({});
  const repository = { connection: 'git', project: 'web' };
  for (const args of [['-C', '/', 'log'], ['-c', 'a.b=log', '--git-dir=/nowhere', 'log'], ['log']]) {
    await assert.rejects(git.run(args, { repository }), { command: 'log', repository, message: /^git log .*git:web/ });
  }
});

test('an abort ends git with its children and rejects with the reason', async () => {
  using workshop = new Workshop();
  const file = join(workshop.folder, 'pids');
  const git = new Git({ program: workshop.insteadOf('fetch', STUBBORN(file)), killGraceMs: 50 });
  const stop = new AbortController();
  const run = git.run(['fetch', 'x'], { signal: stop.signal });
  const pids = await pidsIn(file);
  stop.abort(new Error('no more'));
  await assert.rejects(run, /no more/);
  for (const pid of pids) await until('the end of a process', () => !isRunning(pid));
  await assert.rejects(git.run(['version'], { signal: stop.signal }), /no more/);
});

test('a failure that may pass is tried again, so many times and no more', async () => {
  using workshop = new Workshop();
  const file = join(workshop.folder, 'tries');
  const script = `echo x >>${file}; if [ $(wc -l <${file}) -lt 3 ]; then echo 'fatal: Connection reset by peer' >&2; exit 128; fi; exit 0`;
  const program = workshop.insteadOf('fetch', script);
  const tries = (): number => readFileSync(file, 'utf8').split('\n').length - 1;
  await new Git({ program, retryDelayMs: 1 }).run(['fetch'], { isRemote: true });
  assert.equal(tries(), 3);
  writeFileSync(file, '');
  await assert.rejects(new Git({ program, retryDelayMs: 1, attempts: 2 }).run(['fetch'], { isRemote: true }), {
    code: 'ERR_GIT_FAILED',
    words: 'fatal: Connection reset by peer',
  });
  assert.equal(tries(), 2);
  writeFileSync(file, '');
  await assert.rejects(new Git({ program }).run(['fetch']), { code: 'ERR_GIT_FAILED' });
  assert.equal(tries(), 1, 'what talks to no server is not');
});

test('a failure that stays is not tried again', async () => {
  using workshop = new Workshop();
  const file = join(workshop.folder, 'tries');
  const program = workshop.insteadOf('fetch', `echo x >>${file}; echo 'fatal: repository not found' >&2; exit 128`);
  await assert.rejects(new Git({ program }).run(['fetch'], { isRemote: true }), { words: /not found/ });
  assert.equal(readFileSync(file, 'utf8'), 'x\n');
});

test('git asks no questions, and sees neither configuration nor variables of its user', async () => {
  using workshop = new Workshop();
  const git = new Git({ program: workshop.insteadOf('show-env', 'env; exit 0'), env: { OWN: 'mine' } });
  process.env['GIT_DIR'] = '/nowhere';
  try {
    const { text } = await git.run(['show-env']);
    const lines = text.split('\n');
    for (const line of ['GIT_TERMINAL_PROMPT=0', 'GIT_CONFIG_GLOBAL=/dev/null', 'GIT_CONFIG_NOSYSTEM=1', 'OWN=mine']) {
      assert(lines.includes(line), line);
    }
    assert(lines.some(line => line.startsWith('GIT_SSH_COMMAND=ssh -o BatchMode=yes')));
    assert(!lines.some(line => line.startsWith('GIT_DIR=')));
  } finally {
    delete process.env['GIT_DIR'];
  }
});

test('a remote helper is not run, whatever the URL', async () => {
  using workshop = new Workshop();
  const file = join(workshop.folder, 'run');
  await assert.rejects(new Git().run(['ls-remote', `ext::touch ${file}`]), { words: /transport 'ext' not allowed/ });
  assert.equal(existsSync(file), false);
});

test('a git that is not there, or that writes without end, is an error', async () => {
  using workshop = new Workshop();
  await assert.rejects(new Git({ program: '/nowhere/git' }).run(['version']), { code: 'ERR_GIT_NOT_STARTED' });
  const program = workshop.insteadOf('flood', 'exec cat /dev/zero');
  await assert.rejects(new Git({ program, killGraceMs: 50 }).run(['flood']), { code: 'ERR_GIT_OUTPUT' });
});

test('options of git that cannot be are refused', () => {
  const bad = [{ timeoutMs: 0 }, { attempts: 0 }, { program: '' }, { nonsense: 1 }, { env: { 'a=b': '' } }];
  for (const options of bad) assert.throws(() => new Git(options), { code: 'ERR_INVALID_ARG' });
});

test('git that cannot be started for want of files is an error that may pass, not the end of the process', async () => {
  assert.equal(await outOfFiles(), 'none, ERR_GIT_NOT_STARTED true\n');
});
