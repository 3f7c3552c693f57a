/** The example's scheduler, killed outright at its most delicate moments, and at others: every job runs once. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Store } from 'drone-task-queue/store';
import { allGone, temporaryFolder } from '../support/processes-left.js';
import { leakCheck } from '../support/leak-check.js';
import { finishedPidfiles, isFile } from './finished-pidfiles.js';
import type { KillAt } from './programs/killed-scheduler.js';

const PROGRAM = fileURLToPath(new URL('../../examples/farm-tick.ts', import.meta.url));
const KILLER = fileURLToPath(new URL('./programs/killed-scheduler.js', import.meta.url));
/** In all; `FARM_KILLS=200` for a long run. */
const KILLS = Number(process.env['FARM_KILLS'] ?? 8);
const SEED = Number(process.env['FARM_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** Of one farm, whose jobs would be done by then. */
const MAX_KILLS = 6;
const PATIENCE_MS = 60_000;

leakCheck();

interface Row {
  name: string;
  exits: number;
  state: string;
  attempt: number;
  pidfile: string | null;
  exit_status: number | null;
}

/** One farm in a directory of its own, and the schedulers that live one after another. */
class Farm {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Runs a scheduler to its end: gives whether it was killed. */
  async live(killAt: KillAt = { moment: 'never', count: 0 }): Promise<boolean> {
    const args = ['--import=tsx', KILLER, PROGRAM, '--run', this.folder];
    const scheduler = spawn(process.execPath, args, {
      env: { ...process.env, FARM_FOLDER: this.folder, KILL_AT: JSON.stringify(killAt) },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    scheduler.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const [status, signal] = (await once(scheduler, 'exit')) as [number | null, string | null];
    // Its agents may hold the pipe open.
    scheduler.stderr.destroy();
    assert.ok(signal === 'SIGKILL' || status === 0, `it ended with ${String(status ?? signal)}\n${stderr}`);
    return signal === 'SIGKILL';
  }

  get agents(): number[] {
    try {
      return readFileSync(join(this.folder, 'agents'), 'utf8').trim().split('\n').map(Number);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  async rows(): Promise<Row[]> {
    await using store = await Store.open<{ job: Row; sqlite_schema: { name: string } }>({
      file: join(this.folder, 'farm.db'),
    });
    return await store.read(async db => {
      const { length } = await db.selectFrom('sqlite_schema').select('name').where('name', '=', 'job').execute();
      return length === 0 ? [] : db.selectFrom('job').selectAll().orderBy('name').execute();
    });
  }

  /** What the store and the drones say of the jobs that are started in the store. */
  async between(): Promise<{ unseen: number; finished: number; seen: number }> {
    const finished = new Set(finishedPidfiles(this.folder));
    const pidfiles = (await this.rows())
      .filter(({ state }) => state === 'started')
      .map(({ pidfile }) => String(pidfile));
    return {
      unseen: pidfiles.filter(path => !isFile(path)).length,
      seen: pidfiles.filter(path => isFile(path)).length,
      finished: pidfiles.filter(path => finished.has(path)).length,
    };
  }

  async judge(): Promise<void> {
    await this.nothingRuns();
    const rows = await this.rows();
    assert.equal(rows.length, 25);
    const folders = readdirSync(join(this.folder, 'results'));
    for (const { name, exits, state, exit_status, pidfile } of rows) {
      const ledger = readFileSync(join(this.folder, 'ledgers', name), 'utf8');
      assert.match(ledger, new RegExp(`^start on drone-\\d\nend ${String(exits)}\n$`), `the ledger of ${name}`);
      assert.deepEqual([name, state, exit_status], [name, exits === 0 ? 'finished' : 'failed', exits]);
      const attempts = folders.filter(folder => folder.startsWith(`${name}.`));
      const ran = attempts.map(folder => join(this.folder, 'results', folder)).filter(hasRun);
      assert.deepEqual(ran, [join(String(pidfile), '..')], `where ${name} has run`);
      const log = readFileSync(join(String(pidfile), '..', 'log'), 'utf8');
      assert.match(log, new RegExp(`---\n${name} goes on for .*\n${name} exits with ${String(exits)}\n$`));
    }
  }

  /** Neither agents nor commands: all have inherited the directory's name. */
  async nothingRuns(): Promise<void> {
    for (const endMs = performance.now() + PATIENCE_MS; ; await delay(50)) {
      const running = readdirSync('/proc').filter(pid => /^\d+$/.test(pid) && belongsTo(pid, this.folder));
      if (running.length === 0) return;
      assert.ok(performance.now() < endMs, `there still run ${running.join()}`);
    }
  }
}

function hasRun(workingDirectory: string): boolean {
  const log = join(workingDirectory, 'log');
  return isFile(log) && readFileSync(log, 'utf8').includes('goes on');
}

function belongsTo(pid: string, folder: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`FARM_FOLDER=${folder}\0`);
  } catch {
    // Gone since it was listed, or another program's.
    return false;
  }
}

async function newFarm(t: TestContext): Promise<Farm> {
  const folder = join(await temporaryFolder(t), 'farm');
  await mkdir(folder);
  const farm = new Farm(folder);
  t.after(() => farm.nothingRuns());
  return farm;
}

/** A number from 0 to below `bound`, the same ones for the same seed. */
function diceOf(seed: number): (bound: number) => number {
  let state = seed;
  return bound => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

/** What is certain of the jobs once a scheduler has been killed there. */
const AFTERWARDS: Partial<Record<KillAt['moment'], 'unseen' | 'finished' | 'seen'>> = {
  ordered: 'unseen',
  answered: 'seen',
  ended: 'finished',
};

test('a scheduler that is killed at any moment, again and again, runs every job once', async t => {
  t.diagnostic(`FARM_SEED=${String(SEED)} FARM_KILLS=${String(KILLS)}`);
  const dice = diceOf(SEED);
  const moments = ['ordered', 'answered', 'ended', 'time'] as const;
  let kills = 0;
  while (kills < KILLS) {
    const farm = await newFarm(t);
    let last: KillAt['moment'] | undefined;
    for (let lives = 1; lives <= MAX_KILLS; lives++) {
      // Each of them in its turn, whatever the dice say.
      const moment: KillAt['moment'] =
        last === 'ordered' && dice(2) === 0 ? 'queued-again' : moments[kills % moments.length]!;
      const killAt = { moment, count: moment === 'time' ? dice(3000) : 1 + dice(moment === 'answered' ? 4 : 2) };
      if (!(await farm.live(killAt))) break;
      kills += 1;
      last = moment;
      // What the killed one has asked of them is over then: which of two processes is faster decides nothing here.
      await allGone(farm.agents);
      const certain = AFTERWARDS[moment];
      const between = await farm.between();
      t.diagnostic(`kill ${String(kills)}: ${JSON.stringify(killAt)} ${JSON.stringify(between)}`);
      if (certain !== undefined) assert.ok(between[certain] > 0, `${moment}: ${JSON.stringify(between)}`);
    }
    if (await farm.live()) assert.fail('it was not to be killed');
    await farm.judge();
  }
});

test('what an agent gets to when its job has long been run by another one never starts', async t => {
  const farm = await newFarm(t);
  assert.ok(await farm.live({ moment: 'stopped', count: 1 }));
  const stopped = farm.agents;
  try {
    assert.equal((await farm.between()).seen, 0);
    assert.equal(await farm.live(), false);
    assert.ok((await farm.rows()).some(({ attempt }) => attempt > 1));
  } finally {
    for (const pid of stopped) process.kill(pid, 'SIGCONT');
  }
  await farm.judge();
});
