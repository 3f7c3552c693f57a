/** Real commands on this machine, and managers that have not started them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { LocalDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { DroneManager, type DroneManagerOptions, type PidfileId, type PidfileState } from 'drone-task-queue/scheduler';
import { allGone, killGroup, temporaryFolder } from '../../support/processes-left.js';
import { leakCheck } from '../../support/leak-check.js';
import { inFolder } from './hosts.js';

leakCheck();

/** Refreshes that a state may take on a busy machine: each waits for a whole round. */
const PATIENCE = 500;

class Farm implements AsyncDisposable {
  readonly queue = new ThreadedTaskQueue({ threads: 1 });
  readonly drones: readonly LocalDrone[];
  readonly manager: DroneManager;

  constructor(drones: number, options: DroneManagerOptions = {}) {
    this.drones = Array.from({ length: drones }, () => new LocalDrone());
    for (const drone of this.drones) drone.maxProcesses = 2;
    this.manager = new DroneManager(this.queue, options);
  }

  static async over(folder: string, drones = 1, options: DroneManagerOptions = {}): Promise<Farm> {
    const farm = new Farm(drones, options);
    await farm.manager.initialize(folder, farm.drones);
    await farm.manager.refresh();
    return farm;
  }

  /** Refreshes until the pidfile stands so. */
  async until<K extends PidfileState['kind']>(id: PidfileId, kind: K): Promise<Extract<PidfileState, { kind: K }>> {
    for (let refresh = 0; refresh < PATIENCE; refresh++) {
      const state = this.manager.pidfileState(id);
      if (state?.kind === kind) return state as Extract<PidfileState, { kind: K }>;
      await this.manager.refresh();
    }
    return assert.fail(`${id.path} is ${JSON.stringify(this.manager.pidfileState(id))}, not ${kind}`);
  }

  /** Starts a command that waits until the test opens its gate; it has begun by then, and its leader minds no TERM. */
  async startWaiting(t: TestContext, folder: string): Promise<{ id: PidfileId; pid: number; letGo(): Promise<void> }> {
    await mkdir(folder);
    execFileSync('mkfifo', [join(folder, 'gate'), join(folder, 'begun')]);
    const id = this.manager.executeCommand(['sh', '-c', 'echo >begun; cat gate; exit 5'], {
      ...inFolder(folder),
      logFile: 'log',
    });
    const { started } = await this.manager.executeActions();
    const pid = started[0]?.pid ?? assert.fail('not started');
    t.after(() => {
      killGroup(pid);
    });
    await readFile(join(folder, 'begun'));
    return { id, pid, letGo: async () => (await open(join(folder, 'gate'), 'w')).close() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.manager.close();
    await this.queue.close();
  }
}

test('a command runs, is seen, and ends with its status', async t => {
  const folder = await temporaryFolder(t);
  await using farm = await Farm.over(folder);
  const { id, pid, letGo } = await farm.startWaiting(t, join(folder, '1'));
  await farm.manager.refresh();
  assert.deepEqual(farm.manager.pidfileState(id), { kind: 'running', pid });
  assert.ok(farm.manager.isProcessRunning({ hostname: 'localhost', pid }));
  assert.deepEqual(farm.manager.orphanedProcesses(), []);
  assert.equal(farm.drones[0]?.activeProcesses, 1);
  await letGo();
  assert.deepEqual(await farm.until(id, 'finished'), { kind: 'finished', pid, exitStatus: 5 });
  assert.equal(farm.drones[0]?.activeProcesses, 0);
});

test('a command whose leader is killed is lost, and what survived it can be ended', async t => {
  const folder = await temporaryFolder(t);
  await using farm = await Farm.over(folder);
  const { id, pid } = await farm.startWaiting(t, join(folder, '1'));
  process.kill(pid, 'SIGKILL');
  const { survivors } = await farm.until(id, 'lost');
  assert.ok(survivors.length > 0 && survivors.every(({ pgid }) => pgid === pid));
  farm.manager.killProcess({ hostname: 'localhost', pid });
  await farm.manager.executeActions();
  await allGone(survivors.map(survivor => survivor.pid));
  await farm.manager.refresh();
  assert.deepEqual(farm.manager.pidfileState(id), { kind: 'lost', pid, survivors: [] });
});

test('a command that is killed is finished, with the status of the signal', async t => {
  const folder = await temporaryFolder(t);
  await using farm = await Farm.over(folder);
  const { id, pid } = await farm.startWaiting(t, join(folder, '1'));
  farm.manager.killProcess({ hostname: 'localhost', pid });
  await farm.manager.executeActions();
  assert.deepEqual(await farm.until(id, 'finished'), { kind: 'finished', pid, exitStatus: 143 });
});

test('a manager that has started nothing finds the commands of an earlier one, by pidfile and as orphans', async t => {
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, 'mine'));
  await mkdir(join(folder, 'other'));
  const before = await Farm.over(join(folder, 'mine'), 5);
  const [known, orphan] = [
    await before.startWaiting(t, join(folder, 'mine', 'known')),
    await before.startWaiting(t, join(folder, 'mine', 'with a space')),
  ];
  await before.startWaiting(t, join(folder, 'other', '1'));
  const done = before.manager.executeCommand(['true'], inFolder(join(folder, 'mine', 'done')));
  await before.manager.executeActions();
  await before.until(done, 'finished');
  await before[Symbol.asyncDispose]();

  await using farm = await Farm.over(join(folder, 'mine'), 5, { startGraceMs: 0 });
  const { manager } = farm;
  const never = { hostname: 'localhost', path: join(folder, 'mine', 'never', 'pid') };
  for (const id of [known.id, done, never]) manager.registerPidfile(id);
  await manager.refresh();
  assert.deepEqual(manager.pidfileState(known.id), { kind: 'running', pid: known.pid });
  assert.equal(manager.pidfileState(done)?.kind, 'finished');
  assert.deepEqual(manager.pidfileState(never), { kind: 'not-started' });
  const orphans = manager.orphanedProcesses();
  assert.deepEqual(
    orphans.map(({ pid, pidfile }) => [pid, pidfile]),
    [[orphan.pid, orphan.id]],
  );

  manager.registerPidfile(orphans[0]?.pidfile ?? assert.fail());
  assert.deepEqual(manager.orphanedProcesses(), []);
  await orphan.letGo();
  assert.equal((await farm.until(orphan.id, 'finished')).exitStatus, 5);
});

test('five drones that are one host run as many commands as all of them may', async t => {
  const folder = await temporaryFolder(t);
  await using farm = await Farm.over(folder, 5);
  const { manager } = farm;
  const ids: PidfileId[] = [];
  while (manager.maxRunnableProcesses() > 0) {
    const name = String(ids.length);
    ids.push(manager.executeCommand(['sh', '-c', `exit ${name}`], inFolder(join(folder, name))));
  }
  assert.equal(ids.length, 10);
  assert.equal((await manager.executeActions()).started.length, 10);
  for (const [at, id] of ids.entries()) assert.equal((await farm.until(id, 'finished')).exitStatus, at);
  assert.deepEqual(
    farm.drones.map(drone => drone.activeProcesses),
    [0, 0, 0, 0, 0],
  );
});

test('a program that does not exist fails to start, and the command behind it starts', async t => {
  const folder = await temporaryFolder(t);
  await using farm = await Farm.over(folder);
  const wrong = farm.manager.executeCommand(['no-such-program'], inFolder(join(folder, '1')));
  const right = farm.manager.executeCommand(['true'], inFolder(join(folder, '2')));
  const report = await farm.manager.executeActions();
  assert.deepEqual(
    report.failedToStart.map(({ id }) => id),
    [wrong],
  );
  assert.deepEqual(
    report.started.map(({ id }) => id),
    [right],
  );
  await farm.until(right, 'finished');
});

test('results come to the controller, and a copy that fails is reported', async t => {
  const folder = await temporaryFolder(t);
  const source = new LocalDrone();
  // Another name makes it another host, from which files are fetched.
  Object.defineProperty(source, 'hostname', { value: 'far' });
  source.maxProcesses = 1;
  await mkdir(join(folder, 'far', 'logs'), { recursive: true });
  await writeFile(join(folder, 'far', 'logs', 'log'), 'all is well');
  await using farm = new Farm(0);
  const { manager } = farm;
  await manager.initialize(folder, [source]);
  manager.copyToResultsRepository(source, join(folder, 'far', 'logs', 'log'), join(folder, 'log'));
  manager.copyToResultsRepository(source, join(folder, 'far', 'logs/'), join(folder, 'logs'));
  manager.copyToResultsRepository(source, join(folder, 'nothing'), join(folder, 'nothing here'));
  manager.writeLinesToFile(join(folder, 'keyvals'), ['a=1']);
  const { failedCopies, failures } = await manager.executeActions();
  assert.equal(await readFile(join(folder, 'log'), 'utf8'), 'all is well');
  assert.equal(await readFile(join(folder, 'logs', 'log'), 'utf8'), 'all is well');
  assert.equal(await readFile(join(folder, 'keyvals'), 'utf8'), 'a=1\n');
  assert.deepEqual(failures, []);
  assert.deepEqual(
    failedCopies.map(({ hostname, source: from }) => [hostname, from]),
    [['far', join(folder, 'nothing')]],
  );
  assert.equal((failedCopies[0]?.error as NodeJS.ErrnoException).code, 'ENOENT');

  // Without a slash the drone finds out that it is a directory, and the next tick copies it.
  manager.copyToResultsRepository(source, join(folder, 'far', 'logs'), join(folder, 'again'));
  const first = await manager.executeActions();
  assert.deepEqual([first.failedCopies, first.pendingCopies.length], [[], 1]);
  const second = await manager.executeActions();
  assert.deepEqual([second.failedCopies, second.pendingCopies], [[], []]);
  assert.equal(await readFile(join(folder, 'again', 'log'), 'utf8'), 'all is well');
  assert.deepEqual(
    (await readdir(folder)).filter(name => name.endsWith('.transfer_failed')),
    ['nothing here.transfer_failed'],
  );
});
