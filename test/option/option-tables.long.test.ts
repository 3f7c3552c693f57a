/** All public options objects: what is misspelt, of a wrong type or out of range is refused before anything starts. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import {
  type Call,
  copyBetweenDrones,
  LocalDrone,
  SshDrone,
  ThreadedTaskQueue,
  DroneTaskQueue,
} from 'drone-task-queue';
import { MemoryJobSource, RedisJobSource, RepoCache, RepoExecutor } from 'drone-task-queue/executor';
import { DroneManager, TickLoop } from 'drone-task-queue/scheduler';
import { type FarmTables, HttpMasterLink, ShardClient, ShardMaster, shardRoutes } from 'drone-task-queue/shard';
import { Store } from 'drone-task-queue/store';
import { GitFileSource, ConfigLoader, TenantLocks } from 'drone-task-queue/tenants';
import { yamlLayouts } from 'drone-task-queue/tenants/yaml';
import { FakeDrone, startSshServer } from 'drone-task-queue/testing';
import { options, optionTables } from '../../scripts/docs/options.js';
import { ROOT } from '../../scripts/docs/source.js';

/** Options of any shape. */
type Given = never;

type Give = (options: Given) => unknown;

/** Hands options over as a caller does, by each method that takes them. `valid` holds what is required. */
interface Way {
  readonly valid?: Readonly<Record<string, unknown>>;
  readonly give: Give | readonly Give[];
}

const drone = new FakeDrone('fake', { untouched: () => assert.fail('a call ran') });
drone.queueCall('untouched');
const local = new LocalDrone();
const queue = new DroneTaskQueue();
const manager = new DroneManager(queue);
/** Has every method; none does anything. */
const part = new Proxy({}, { get: () => () => undefined }) as never;
const store = await Store.open<FarmTables>({ memory: true });
const master = new ShardMaster(store);
const cache = new RepoCache({ folder: '/nonexistent', urlOf: () => undefined });
const parts = { registry: part, locks: part, clock: part, system: part, files: part, makeLayout: () => undefined };
const loader = new ConfigLoader(parts);
const never = (): never => assert.fail('a section ran');
const call = () => undefined;
const command = { workingDirectory: '/tmp/work', pidfileName: 'pid' };
const path = { drone: new LocalDrone(), path: 'file' };
const queueWith = (name: string) => (value: Given) => new DroneTaskQueue({ [name]: value });

const WAYS: Readonly<Record<string, Way>> = {
  TASK_QUEUE: { give: value => new DroneTaskQueue(value) },
  THREADED_TASK_QUEUE: { give: value => new ThreadedTaskQueue(value) },
  RETRY: { give: queueWith('retry') },
  STOP_ON: { give: queueWith('stopOn') },
  KICK_OUT: { give: queueWith('kickOut') },
  STATS_SERVER: { valid: { host: 'stats' }, give: queueWith('stats') },
  ROUND: {
    give: [async value => queue.execute([drone], value), async value => queue.settle([drone], value)],
  },
  CLOSE: { give: async value => queue.close(value) },
  CALL: { give: value => drone.with(value) },
  COPY_BETWEEN_DRONES: { give: async value => copyBetweenDrones(queue, path, path, value) },
  LOCAL_DRONE: { give: value => new LocalDrone(value) },
  SSH: { give: value => new SshDrone('web1', value) },
  SSH_DRONE: { give: value => new SshDrone('web1', value) },
  FAKE_DRONE: { give: value => new FakeDrone('fake', {}, value) },
  ALGORITHM_LISTS: { give: value => new SshDrone('web1', value) },
  ANSWERS: { give: value => new SshDrone('web1', value) },
  FROM_SSH_CONFIG: { give: async value => SshDrone.fromSshConfig('web1', value) },
  TICK_LOOP: { give: value => new TickLoop(call, value) },
  DRONE_MANAGER: { give: value => new DroneManager(queue, value) },
  MANAGER_ROUND: {
    give: [
      async value => manager.executeActions(value),
      async value => manager.triggerRefresh(value),
      async value => manager.refresh(value),
    ],
  },
  PIDFILE: { give: value => manager.registerPidfile({ hostname: 'fake', path: '/pid' }, value) },
  PIDFILE_CONTENTS: { give: value => manager.pidfileContents({ hostname: 'fake', path: '/pid' }, value) },
  DRONE_CHOICE: { give: value => manager.chooseDrone(1, value) },
  MANAGED_COMMAND: { valid: command, give: value => manager.executeCommand(['true'], value) },
  STORE: { valid: { memory: true }, give: async value => Store.open(value) },
  READ: { give: async value => store.read(never, value) },
  READ_WRITE: { give: async value => store.readWrite('why', never, value) },
  REPO_CACHE: { valid: { folder: 'repos', urlOf: call }, give: value => new RepoCache(value) },
  GIT: { give: value => new RepoCache({ folder: 'repos', urlOf: call, git: value }) },
  REPO_EXECUTOR: {
    valid: { cache, jobs: new MemoryJobSource(), droneFor: call, queueFor: call, workspaces: 'workspaces' },
    give: value => new RepoExecutor(value),
  },
  MEMORY_JOB_SOURCE: { give: value => new MemoryJobSource(value) },
  SUBMIT: { give: async value => new MemoryJobSource().submit('merger:cat', part, value) },
  REDIS_JOB_SOURCE: { valid: { url: 'redis://localhost' }, give: async value => RedisJobSource.open(value) },
  CONFIG_LOADER: { valid: parts, give: value => new ConfigLoader(value) },
  RECONFIGURE: { give: async value => loader.reconfigureAll(value) },
  TENANT_LOCKS: { give: value => new TenantLocks(value) },
  CAT_FILE_SOURCE: { valid: { ask: call, repositoryOf: call }, give: value => new GitFileSource(value) },
  YAML_LAYOUTS: { give: async value => yamlLayouts(value) },
  SHARD_CLIENT: { valid: { shardHostname: 'shard' }, give: value => new ShardClient(store, part, value) },
  SHARD_MASTER: { give: value => new ShardMaster(store, value) },
  SHARD_ROUTES: { give: value => shardRoutes(part, value) },
  HTTP_MASTER_LINK: { valid: { url: 'http://farm', token: 'token' }, give: value => new HttpMasterLink(value) },
  MASTER_TLS: { give: tls => new HttpMasterLink({ url: 'https://farm', token: 'token', tls }) },
  NEW_SHARD: { valid: { hostname: 'shard' }, give: async value => master.createShard(value) },
  REMOVE_SHARD: { give: async value => master.removeShard('shard', value) },
  NEW_HOST: { valid: { hostname: 'host' }, give: async value => master.createHost(value) },
  HOST_QUERY: { give: async value => master.listHosts(value) },
  NEW_JOB: {
    valid: { name: 'job', owner: 'ann', command: 'true', entries: [{}] },
    give: async value => master.createJob(value),
  },
  JOB_QUERY: { give: async value => master.listJobs(value) },
  PAGE: { give: async value => master.listJobs(value) },
  NEW_USER: { valid: { login: 'ann' }, give: async value => master.createUser(value) },
  NEW_ACL_GROUP: { valid: { name: 'all' }, give: async value => master.createAclGroup(value) },
  SSH_SERVER: { give: async value => startSshServer(value) },
};

const tables = await optionTables();

test.after(async () => {
  await store.close();
  await queue.close();
});

test('every option table is handed over by this test', () => {
  assert.deepEqual(tables.map(({ name }) => name).sort(), Object.keys(WAYS).sort());
});

/** Options of calls: the agent checks those of `run` and `executeCommand`, the queue those of transfers. */
const CALLS: Readonly<Record<string, (options: Given) => Call>> = {
  RunOptions: value => local.queueCall('run', 'true', value),
  ExecuteCommandOptions: value => local.queueCall('executeCommand', ['true'], value),
  TransferOptions: value => local.queueCall('getDirectory', '/nonexistent/', '/nonexistent', value),
  FileTransferOptions: value => local.queueCall('getFile', '/nonexistent', '/nonexistent', value),
};

test('every exported interface of options has a table, or is given to a call', () => {
  const source = new URL('src/', ROOT);
  const exported = readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter(path => /(^|\/)index\.ts$/.test(path))
    .flatMap(path => readFileSync(new URL(path, source), 'utf8').match(/\b[A-Z]\w*(Options|Choice|Query)\b/g) ?? []);
  const known = new Set([...tables.map(({ of }) => of), ...Object.keys(CALLS), 'SshDroneOptions']);
  assert.ok(exported.length > 20);
  assert.deepEqual(
    exported.filter(name => !known.has(name)),
    [],
  );
});

for (const [name, queueCall] of Object.entries(CALLS)) {
  test(`${name}: a misspelt option of the call is refused`, async () => {
    const call = queueCall({ misspelt: 1 } as Given);
    const { failures } = await queue.settle([local]);
    local.clearCallQueue();
    const failure = failures.get(local);
    assert.equal(failure?.call, call);
    assert.match((failure.cause as Error).message, /^unknown option '.*misspelt', expected one of /);
  });
}

for (const { name, rows } of tables) {
  const { valid = {}, give = never } = WAYS[name] ?? {};
  const refused = async (given: Readonly<Record<string, unknown>>, message: RegExp): Promise<void> => {
    for (const way of typeof give === 'function' ? [give] : give) {
      const work = async (): Promise<unknown> => way({ ...valid, ...given } as Given);
      await assert.rejects(work, { name: 'TypeError', code: 'ERR_INVALID_ARG', message });
    }
  };

  test(`${name}: a misspelt option is refused, and the right one named`, async () => {
    for (const option of Object.keys(rows)) {
      const misspelt = `${option.slice(0, 2)}${option.slice(1)}`;
      await refused({ [misspelt]: 1 }, new RegExp(`unknown option '(.*\\.)?${misspelt}' \\(did you mean '${option}'`));
    }
  });

  test(`${name}: an option of a wrong type is refused by its name`, async () => {
    for (const option of Object.keys(rows)) await refused({ [option]: Symbol('wrong') }, new RegExp(`\\b${option}\\b`));
  });

  test(`${name}: a number out of range is refused by its name`, async () => {
    for (const [option, { expected }] of Object.entries(rows)) {
      if (!/number|integer/.test(expected)) continue;
      for (const bad of [NaN, -Infinity])
        await refused({ [option]: bad }, new RegExp(`\\b${option} is ${String(bad)}`));
    }
  });
}

test('a refused round leaves its calls queued', () => {
  assert.equal(drone.getCalls().length, 1);
});

test('a default that a doc comment states is the default of the table', async () => {
  const stated = (await options()).flatMap(({ of, rows }) =>
    rows.flatMap(({ name, meaning, absent }) => {
      const [, value] = /\bDefault (\d[\d,.]*\d|\d|true|false)\b(?! MiB)/.exec(meaning) ?? [];
      return value === undefined || absent === undefined ? [] : [{ option: `${of}.${name}`, value, absent }];
    }),
  );
  assert.ok(stated.length > 40, String(stated.length));
  for (const { option, value, absent } of stated) {
    const [inTable = ''] = /^[\d.,]*\d|^\w+/.exec(absent) ?? [];
    assert.equal(inTable.replaceAll(',', ''), value.replaceAll(',', ''), option);
  }
});
