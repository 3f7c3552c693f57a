// A farm in two racks, each with a shard: a scheduler of its own, with a store of its own, that takes hosts and jobs from a
// master and tells it what became of them. Master and shards may be killed at any moment: every job runs once, and the
// master hears of it.
//
//   two-shards [directory]   starts a master and two shards, kills one of each in the middle, and checks
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { DroneError, LocalDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { DroneManager, type PidfileId, TickLoop } from 'drone-task-queue/scheduler';
import {
  completeEntry,
  farmMigrations,
  type FarmTables,
  HttpMasterLink,
  type QueueEntryRow,
  ShardClient,
  ShardMaster,
} from 'drone-task-queue/shard';
import { Store } from 'drone-task-queue/store';

const RACKS = [1, 2];
const HOSTS_PER_RACK = 2;
const JOBS_PER_RACK = 6;
const JOBS = RACKS.length * JOBS_PER_RACK;

/** A job's command. Its ledger is in no store: it shows how often the job has really run. */
const SCRIPT = `
  echo "start on $HOST" >>"$LEDGER"
  sleep "$1"
  echo "end $2" >>"$LEDGER"
  exit "$2"`;

/** Warnings and errors only, of whatever goes on; while a master is down, its shards say so. */
const say = (message: string): void => console.warn(message);
const log = { debug: () => undefined, info: () => undefined, warn: say, error: say };

const ledgerOf = (folder: string, jobName: string): string => join(folder, 'ledgers', jobName);

async function openStore(folder: string, name: string): Promise<Store<FarmTables>> {
  const store = await Store.open<FarmTables>({ file: join(folder, `${name}.db`), name, log });
  await store.migrate(farmMigrations);
  return store;
}

interface Entry extends Pick<QueueEntryRow, 'id' | 'execution_subdir' | 'meta_host'> {
  readonly name: string;
  readonly command: string;
}

/** A shard: heartbeats, and the scheduler that runs what they bring. */
async function runShard(folder: string, shardHostname: string, url: string, token: string): Promise<void> {
  await using store = await openStore(folder, shardHostname);
  await using link = new HttpMasterLink({ url, token });
  const client = new ShardClient(store, link, {
    shardHostname,
    pauseMs: 600,
    maxBackoffMs: 1000,
    name: shardHostname,
    log,
  });

  await using queue = new ThreadedTaskQueue({ name: shardHostname, threads: 1, leftovers: 'drop' });
  // All hosts of this farm are this machine; your own farm has an SshDrone for each.
  const drone = new LocalDrone();
  drone.maxProcesses = HOSTS_PER_RACK;
  // No need to wait until a command that may have started cannot start any more: `forbid` sees to that.
  const manager = new DroneManager(queue, { startGraceMs: 0, log });
  const results = join(folder, `${shardHostname}.results`);
  await manager.initialize(results, [drone]);

  const pidfileOf = (entry: Entry): PidfileId => ({
    hostname: drone.hostname,
    path: join(results, entry.execution_subdir, 'pid'),
  });

  /** Entries that have not ended, begun or not. */
  const entries = (begun: boolean): Promise<Entry[]> =>
    store.read(db =>
      db
        .selectFrom('farm_queue_entry as entry')
        .innerJoin('farm_job as job', 'job.id', 'entry.job_id')
        .select(['entry.id', 'entry.execution_subdir', 'entry.meta_host', 'job.name', 'job.command'])
        .where('entry.complete', '=', 0)
        .where('entry.started_on', begun ? 'is not' : 'is', null)
        .orderBy('entry.id')
        .execute(),
    );

  const freeHosts = () =>
    store.read(db =>
      db
        .selectFrom('farm_host as host')
        .innerJoin('farm_host_label as label', 'label.host_id', 'host.id')
        .select(['host.id', 'host.hostname', 'label.label_id'])
        .where('host.invalid', '=', 0)
        .where(({ not, exists, selectFrom }) =>
          not(
            exists(
              selectFrom('farm_queue_entry as entry')
                .select('entry.id')
                .whereRef('entry.host_id', '=', 'host.id')
                .where('entry.started_on', 'is not', null)
                .where('entry.complete', '=', 0),
            ),
          ),
        )
        .execute(),
    );

  /** Orders what is due. Nothing starts before `executeActions`, and by then the store knows what it is. */
  async function orderDueEntries(): Promise<void> {
    const hosts = await freeHosts();
    for (const entry of await entries(false)) {
      const at = hosts.findIndex(host => host.label_id === entry.meta_host);
      const [host] = at < 0 ? [] : hosts.splice(at, 1);
      if (!host || manager.maxRunnableProcesses() === 0) continue;
      const attempt = Number(entry.execution_subdir.split('.')[1] ?? 0) + 1;
      const execution_subdir = `${String(entry.id)}.${String(attempt)}`;
      const id = manager.executeCommand(['sh', '-c', SCRIPT, 'sh', ...entry.command.split(' ')], {
        workingDirectory: join(results, execution_subdir),
        pidfileName: 'pid',
        env: { HOST: host.hostname, LEDGER: ledgerOf(folder, entry.name) },
      });
      const begun = { status: 'Running', active: 1 as const, host_id: host.id, execution_subdir, started_on: now() };
      try {
        await store.readWrite('begin entry', tx =>
          tx.updateTable('farm_queue_entry').set(begun).where('id', '=', entry.id).execute(),
        );
      } catch (error) {
        manager.unregisterPidfile(id); // which takes the order back
        throw error;
      }
    }
  }

  /** It is complete in the store, and its job will be told to the master, or neither; then this is done again. */
  async function endEntry(entry: Entry, exitStatus: number | null): Promise<void> {
    await completeEntry(store, entry.id, { status: exitStatus === 0 ? 'Completed' : 'Failed', finishedOn: now() });
    if (manager.pidfileState(pidfileOf(entry))) manager.unregisterPidfile(pidfileOf(entry));
  }

  /**
   * What was sent to an agent may still be on its way, however long ago that was. A directory in the pidfile's place settles
   * it: a command whose pidfile cannot be written does not start, and where there is a pidfile, there will be no directory.
   */
  async function forbid(entry: Entry): Promise<void> {
    const makeFolder = { env: { PIDFILE: pidfileOf(entry).path } };
    const { exitCode } = await queue.call(drone, 'run', 'mkdir -p "$PIDFILE"', makeFolder);
    if (exitCode !== 0) return; // it has a pidfile by now
    await queueAgain(entry);
    manager.unregisterPidfile(pidfileOf(entry));
  }

  async function queueAgain(entry: Entry): Promise<void> {
    const waiting = { status: 'Queued', active: 0 as const, host_id: null, started_on: null };
    await store.readWrite('queue again', tx =>
      tx.updateTable('farm_queue_entry').set(waiting).where('id', '=', entry.id).execute(),
    );
  }

  const scheduler = new TickLoop(
    async ({ signal }) => {
      const begun = await entries(true);
      // Those of an earlier life, at first.
      for (const id of begun.map(pidfileOf)) if (!manager.pidfileState(id)) manager.registerPidfile(id);
      await manager.triggerRefresh({ signal });
      await orderDueEntries();
      await manager.syncRefresh();
      const notStarted: Entry[] = [];
      for (const entry of begun) {
        const state = manager.pidfileState(pidfileOf(entry));
        if (state?.kind === 'finished') await endEntry(entry, state.exitStatus);
        if (state?.kind === 'lost' || state?.kind === 'corrupt') await endEntry(entry, null);
        if (state?.kind === 'not-started') notStarted.push(entry);
      }
      const { failedToStart } = await manager.executeActions({ signal });
      for (const { id, error } of failedToStart) {
        const entry = (await entries(true)).find(each => pidfileOf(each).path === id.path);
        if (!entry) continue;
        const isAway = error instanceof DroneError && error.kind !== 'call';
        if (isAway) await queueAgain(entry);
        else await endEntry(entry, null);
      }
      for (const entry of notStarted) await forbid(entry);
    },
    { name: `${shardHostname} scheduler`, pauseMs: 300, log },
  );
  // Both end at SIGTERM; neither goes on without the other.
  await Promise.all([client.loop().finally(() => scheduler.stop()), scheduler.run().finally(() => client.close())]);
  await manager.close();
}

function now(): string {
  return new Date().toISOString();
}

/** A program in a process of its own. */
class Program {
  readonly #args: readonly string[];
  readonly #env: Readonly<Record<string, string>>;
  #child: ChildProcess;

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#args = args;
    this.#env = env;
    this.#child = this.#start();
  }

  #start(): ChildProcess {
    return spawn(process.execPath, this.#args, {
      env: { ...process.env, ...this.#env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }

  /** What it prints first. */
  async says(): Promise<string> {
    if (!this.#child.stdout) throw new Error('its stdout is not a pipe');
    const written: readonly unknown[] = await once(this.#child.stdout, 'data');
    return String(written[0]);
  }

  async kill(): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }

  startAgain(): void {
    this.#child = this.#start();
  }

  /** Asks it to end, and waits until it has; throws when it did not end well. */
  async end(): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const end: readonly unknown[] = await exit;
    if (end[0] !== 0) throw new Error(`${this.#args.join(' ')} ended with ${String(end[0])}`);
  }

  destroy(): void {
    this.#child.kill('SIGKILL');
  }
}

/** The master, as `npx drone-shard master` starts it. */
function masterProgram(folder: string, port: string): Program {
  const manifest = createRequire(import.meta.url).resolve('drone-task-queue/package.json');
  const program = join(dirname(manifest), 'dist', 'shard', 'cli.js');
  return new Program([program, 'master'], {
    DRONE_SHARD_STORE_FILE: join(folder, 'master.db'),
    DRONE_SHARD_PORT: port,
    NODE_NO_WARNINGS: '1',
  });
}

function shardProgram(folder: string, hostname: string, url: string, token: string): Program {
  const program = [...process.execArgv, fileURLToPath(import.meta.url), '--shard', folder, hostname, url];
  return new Program(program, { TOKEN: token });
}

const nameOf = (rack: number, at: number): string => `job-${String(rack)}-${String(at + 1)}`;
const exitOf = (at: number): number => (at % 3 === 0 ? 1 : 0);

async function makeFarm(farm: ShardMaster<FarmTables>): Promise<void> {
  for (const rack of RACKS) {
    const label = `rack-${String(rack)}`;
    await farm.createLabel(label);
    await farm.createShard({ hostname: `shard-${String(rack)}`, labels: [label] });
    const hosts = Array.from({ length: HOSTS_PER_RACK }, (_, at) => `host-${String(rack)}-${String(at + 1)}`);
    await farm.createHosts(hosts.map(hostname => ({ hostname, labels: [label] })));
    const jobs = Array.from({ length: JOBS_PER_RACK }, (_, at) => nameOf(rack, at));
    await farm.createJobs(
      jobs.map((name, at) => ({
        name,
        owner: 'ann',
        command: `0.${String(2 + (at % 3))} ${String(exitOf(at))}`,
        entries: [{ metaHost: label }],
      })),
    );
  }
}

async function demonstrate(folder: string): Promise<void> {
  await mkdir(join(folder, 'ledgers'), { recursive: true });
  await using store = await openStore(folder, 'master');
  const farm = new ShardMaster(store);
  await makeFarm(farm);
  console.log(`${String((await farm.listShards()).length)} shards, ${String((await farm.listJobs()).length)} jobs`);

  const complete = () =>
    store.read(db =>
      db
        .selectFrom('farm_queue_entry as entry')
        .innerJoin('farm_job as job', 'job.id', 'entry.job_id')
        .select(['job.name', 'entry.status'])
        .where('entry.complete', '=', 1)
        .execute(),
    );
  /** Resolves when the master knows of so many that are complete. */
  async function until(count: number): Promise<void> {
    while ((await complete()).length < count) await pause(200);
  }

  const programs: Program[] = [];
  const started = (program: Program): Program => {
    programs.push(program);
    return program;
  };
  try {
    // It takes a free port, and after its restart the same.
    const first = started(masterProgram(folder, '0'));
    const [url = ''] = /http:\S+/.exec(await first.says()) ?? [];
    const [shard] = await Promise.all(
      RACKS.map(async rack => {
        const hostname = `shard-${String(rack)}`;
        return started(shardProgram(folder, hostname, url, await farm.createToken(hostname)));
      }),
    );
    await until(3);
    console.log('shard-1 is killed, and started again');
    await shard?.kill();
    shard?.startAgain();
    await until(7);
    console.log('the master is killed, and started again');
    await first.kill();
    programs.splice(programs.indexOf(first), 1);
    await started(masterProgram(folder, new URL(url).port)).says();
    await until(JOBS);
    for (const program of programs) await program.end();
  } finally {
    for (const program of programs) program.destroy();
  }

  const problems: string[] = [];
  const ended = new Map((await complete()).map(({ name, status }) => [name, status]));
  for (const rack of RACKS) {
    for (let at = 0; at < JOBS_PER_RACK; at += 1) {
      const name = nameOf(rack, at);
      const ledger = await readFile(ledgerOf(folder, name), 'utf8').catch(String);
      const expected = new RegExp(`^start on host-${String(rack)}-\\d\nend ${String(exitOf(at))}\n$`);
      const status = ended.get(name);
      if (status === (exitOf(at) === 0 ? 'Completed' : 'Failed') && expected.test(ledger)) continue;
      problems.push(`${name} is ${String(status)}\n--- ledger\n${ledger}`);
    }
  }
  const count = (wanted: string): string => String([...ended.values()].filter(status => status === wanted).length);
  console.log(`the master knows of ${count('Completed')} that went well, and of ${count('Failed')} that did not`);
  if (problems.length > 0) throw new Error(problems.join('\n'));
  console.log('each job ran once, on a host of its own rack, and its ledger agrees with the master');
}

const [first, second = '', hostname = '', url = ''] = process.argv.slice(2);
if (first === '--shard') {
  await runShard(second, hostname, url, process.env['TOKEN'] ?? '');
} else if (first !== undefined) {
  await demonstrate(resolve(first));
} else {
  const folder = await mkdtemp(join(tmpdir(), 'shards-'));
  await demonstrate(folder);
  await rm(folder, { recursive: true });
}
