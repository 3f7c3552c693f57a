// A small build farm. Jobs are in a store; each tick asks five drones how their commands are, starts what is due as
// commands that live on by themselves, and writes down what has ended. The scheduler may be killed at any moment: started
// again, it finds what runs by the pidfiles that the store names, and every job runs once.
//
//   farm-tick [directory]        the demonstration: runs the scheduler, kills it in the middle, checks
//   farm-tick --run <directory>  the scheduler itself
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { DroneError, LocalDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { DroneManager, type PidfileId, TickLoop } from 'drone-task-queue/scheduler';
import { type ReadWriteDb, Store } from 'drone-task-queue/store';
import type { Kysely, Selectable } from 'kysely';

/**
 * `queued`, then `started`, then `finished` (exit status 0) or `failed`. A job is `started` in the store before its
 * command can start on a drone, so whatever runs is known by its pidfile; it is queued again only when it is certain that
 * this command never starts.
 */
interface Job {
  name: string;
  seconds: number;
  /** What its command is to exit with. */
  exits: number;
  state: 'queued' | 'started' | 'finished' | 'failed';
  /** Counts the starts, each of which has a directory of its own. */
  attempt: number;
  /** Where its command is, since it was started. */
  hostname: string | null;
  pidfile: string | null;
  /** Null also when it failed without one: it was killed, or could not be started. */
  exit_status: number | null;
}

interface Farm {
  job: Job;
}

const JOBS = 25;
const DRONES = 5;

const migrations = {
  '2026-01-jobs': {
    async up(db: Kysely<Farm>) {
      await db.schema
        .createTable('job')
        .addColumn('name', 'text', column => column.primaryKey())
        .addColumn('seconds', 'real', column => column.notNull())
        .addColumn('exits', 'integer', column => column.notNull())
        .addColumn('state', 'text', column => column.notNull())
        .addColumn('attempt', 'integer', column => column.notNull())
        .addColumn('hostname', 'text')
        .addColumn('pidfile', 'text')
        .addColumn('exit_status', 'integer')
        .execute();
      // In your farm, people and programs queue jobs at any time. Here they come with the table.
      const jobs = Array.from({ length: JOBS }, (_, at) => ({
        name: `job-${String(at + 1).padStart(2, '0')}`,
        seconds: 0.2 + (at % 5) * 0.2,
        exits: at % 3 === 0 ? 1 + (at % 4) : 0,
        state: 'queued' as const,
        attempt: 0,
      }));
      await db.insertInto('job').values(jobs).execute();
    },
  },
};

/** A job's command. Its ledger is not the scheduler's: it shows how often the job has really run. */
const SCRIPT = `
  echo "start on $DRONE" >>"$LEDGER"
  echo "$1 goes on for $2 s"
  sleep "$2"
  echo "$1 exits with $3"
  echo "end $3" >>"$LEDGER"
  exit "$3"`;

/** Warnings and errors only, of whatever goes on. */
const log = { debug: () => undefined, info: () => undefined, warn: console.warn, error: console.error };

const ledgerOf = (folder: string, { name }: Pick<Job, 'name'>): string => join(folder, 'ledgers', name);

async function openStore(folder: string): Promise<Store<Farm>> {
  await mkdir(join(folder, 'ledgers'), { recursive: true });
  const store = await Store.open<Farm>({ file: join(folder, 'farm.db'), log });
  await store.migrate(migrations);
  return store;
}

async function runScheduler(folder: string): Promise<void> {
  await using store = await openStore(folder);
  await using queue = new ThreadedTaskQueue({ name: 'farm', threads: 1, leftovers: 'drop' });
  // Five drones on one host, each with an agent of its own, as their variables differ; your own farm has SshDrones.
  const drones = Array.from({ length: DRONES }, (_, at) => {
    const drone = new LocalDrone({ env: { DRONE: `drone-${String(at + 1)}` } });
    drone.maxProcesses = 2;
    return drone;
  });
  // No need to wait until a command that may have started cannot start any more: `forbid` sees to that.
  const manager = new DroneManager(queue, { startGraceMs: 0, log });
  await manager.initialize(join(folder, 'results'), drones);

  const jobsIn = (state: Job['state']): Promise<Selectable<Job>[]> =>
    store.read(db => db.selectFrom('job').selectAll().where('state', '=', state).orderBy('name').execute(), {
      name: `jobs ${state}`,
    });

  /** Orders what is due, as far as there is room. Nothing starts before `executeActions`, and by then it is written down. */
  async function orderDueJobs(): Promise<void> {
    const orders: { job: Job; id: PidfileId }[] = [];
    try {
      for (const job of await jobsIn('queued')) {
        if (manager.maxRunnableProcesses() === 0) break;
        const command = ['sh', '-c', SCRIPT, 'sh', job.name, String(job.seconds), String(job.exits)];
        const id = manager.executeCommand(command, {
          workingDirectory: join(folder, 'results', `${job.name}.${String(job.attempt + 1)}`),
          pidfileName: 'pid',
          logFile: 'log',
          env: { LEDGER: ledgerOf(folder, job) },
        });
        orders.push({ job, id });
      }
      if (orders.length === 0) return;
      await store.readWrite('start jobs', async tx => {
        for (const { job, id } of orders) await startJob(tx, job, id);
      });
    } catch (error) {
      for (const { id } of orders) manager.unregisterPidfile(id); // which takes the orders back
      throw error;
    }
  }

  /** Writes down what has ended. Gives the jobs whose commands have not started, and are not to be seen. */
  async function endJobs(jobs: readonly Job[]): Promise<Job[]> {
    const ended: { job: Job; exitStatus: number | null }[] = [];
    const notStarted: Job[] = [];
    for (const job of jobs) {
      const state = manager.pidfileState(pidfileOf(job));
      if (state?.kind === 'finished') ended.push({ job, exitStatus: state.exitStatus });
      if (state?.kind === 'lost' || state?.kind === 'corrupt') ended.push({ job, exitStatus: null });
      if (state?.kind === 'not-started') notStarted.push(job);
    }
    if (ended.length > 0) {
      await store.readWrite('end jobs', async tx => {
        for (const { job, exitStatus } of ended) await endJob(tx, pidfileOf(job), exitStatus);
      });
      for (const { job } of ended) manager.unregisterPidfile(pidfileOf(job));
    }
    return notStarted;
  }

  /**
   * What was sent to an agent may still be on its way, however long ago that was. A directory in the pidfile's place settles
   * it: a command whose pidfile cannot be written does not start, and where there is a pidfile, there will be no directory.
   */
  async function forbid(job: Job): Promise<boolean> {
    const { hostname, path } = pidfileOf(job);
    const drone = drones.find(each => each.hostname === hostname);
    if (!drone) throw new Error(`no drone is ${hostname}`);
    const { exitCode } = await queue.call(drone, 'run', 'mkdir -p "$PIDFILE"', { env: { PIDFILE: path } });
    return exitCode === 0;
  }

  const loop = new TickLoop(
    async ({ signal }) => {
      const started = await jobsIn('started');
      // Those of an earlier life, at first.
      for (const id of started.map(pidfileOf)) if (!manager.pidfileState(id)) manager.registerPidfile(id);
      await manager.triggerRefresh({ signal }); // the drones are asked,
      await orderDueJobs(); // and while they answer, there is other work
      await manager.syncRefresh();
      const notStarted = await endJobs(started);

      const { failedToStart } = await manager.executeActions({ signal }); // now they start
      if (failedToStart.length > 0) {
        await store.readWrite('fail jobs', async tx => {
          for (const { id, error } of failedToStart) {
            const isAway = error instanceof DroneError && error.kind !== 'call';
            if (isAway) await requeueJob(tx, id);
            else await endJob(tx, id, null);
          }
        });
      }
      for (const job of notStarted) {
        if (!(await forbid(job))) continue; // it has a pidfile by now
        await store.readWrite('queue again', tx =>
          tx.updateTable('job').set({ state: 'queued' }).where('name', '=', job.name).execute(),
        );
        manager.unregisterPidfile(pidfileOf(job));
      }
      if (manager.pidfiles.length === 0 && (await jobsIn('queued')).length === 0) void loop.stop();
    },
    { name: 'farm', pauseMs: 100, log },
  );
  console.log(`scheduler: ${String((await jobsIn('started')).length)} jobs were started in an earlier life`);
  await loop.run();
  await manager.close();
}

function pidfileOf({ hostname, name, pidfile }: Job): PidfileId {
  if (hostname === null || pidfile === null) throw new Error(`${name} was not started`);
  return { hostname, path: pidfile };
}

async function startJob(tx: ReadWriteDb<Farm>, { name, attempt }: Job, { hostname, path }: PidfileId): Promise<void> {
  await tx
    .updateTable('job')
    .set({ state: 'started', attempt: attempt + 1, hostname, pidfile: path })
    .where('name', '=', name)
    .execute();
}

/** Its drone was away, and it has certainly not started: the next tick chooses a drone anew. */
async function requeueJob(tx: ReadWriteDb<Farm>, { hostname, path }: PidfileId): Promise<void> {
  await tx
    .updateTable('job')
    .set({ state: 'queued' })
    .where('hostname', '=', hostname)
    .where('pidfile', '=', path)
    .execute();
}

async function endJob(tx: ReadWriteDb<Farm>, { hostname, path }: PidfileId, exitStatus: number | null): Promise<void> {
  await tx
    .updateTable('job')
    .set({ state: exitStatus === 0 ? 'finished' : 'failed', exit_status: exitStatus })
    .where('hostname', '=', hostname)
    .where('pidfile', '=', path)
    .execute();
}

/** Runs the scheduler in a process of its own, kills that in the middle, and lets another one go on. */
async function demonstrate(folder: string): Promise<void> {
  await using store = await openStore(folder);
  const jobs = (): Promise<Selectable<Job>[]> => store.read(db => db.selectFrom('job').selectAll().execute());
  const start = (): ChildProcess => {
    const program = [...process.execArgv, fileURLToPath(import.meta.url), '--run', folder];
    return spawn(process.execPath, program, { stdio: ['ignore', 'inherit', 'inherit'] });
  };
  console.log(`${String((await jobs()).length)} jobs, ${String(DRONES)} drones`);

  const first = start();
  const firstEnd = once(first, 'exit');
  for (;;) {
    const states = (await jobs()).map(({ state }) => state);
    const running = states.filter(state => state === 'started').length;
    const ended = states.filter(state => state === 'finished' || state === 'failed').length;
    if (ended >= 5 || first.exitCode !== null) {
      console.log(`${String(ended)} jobs have ended, ${String(running)} run: the scheduler is killed`);
      break;
    }
    await pause(20);
  }
  first.kill('SIGKILL');
  await firstEnd;
  const exit: readonly unknown[] = await once(start(), 'exit');
  if (exit[0] !== 0) throw new Error(`the scheduler ended with ${String(exit[0])}`);

  const problems: string[] = [];
  const drones = new Set<string | undefined>();
  const ended = await jobs();
  for (const job of ended) {
    const { name, exits, state, exit_status, pidfile } = job;
    const ledger = await readFile(ledgerOf(folder, job), 'utf8').catch(String);
    const log = await readFile(join(pidfile ?? '', '..', 'log'), 'utf8').catch(String);
    drones.add(/^start on (.*)\nend \d+\n$/.exec(ledger)?.[1]);
    const isWell =
      state === (exits === 0 ? 'finished' : 'failed') &&
      exit_status === exits &&
      new RegExp(`^start on drone-\\d\nend ${String(exits)}\n$`).test(ledger) &&
      log.endsWith(`${name} exits with ${String(exits)}\n`);
    if (!isWell) problems.push(`${name} is ${state} with ${String(exit_status)}\n--- ledger\n${ledger}--- log\n${log}`);
  }
  const count = (state: Job['state']): string => String(ended.filter(job => job.state === state).length);
  console.log(`${count('finished')} finished, ${count('failed')} failed, on ${String(drones.size)} drones`);
  if (problems.length > 0) throw new Error(problems.join('\n'));
  console.log('each job ran once, and its log and ledger agree with its state');
}

const [first, second] = process.argv.slice(2);
if (first === '--run' && second !== undefined) {
  await runScheduler(resolve(second));
} else if (first !== undefined) {
  await demonstrate(resolve(first));
} else {
  const folder = await mkdtemp(join(tmpdir(), 'farm-'));
  await demonstrate(folder);
  await rm(folder, { recursive: true });
}
