/** All public options objects: what is misspelt, of a wrong type or out of range is refused before anything starts. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { copyBetweenDrones, LocalDrone, SshDrone, ThreadedTaskQueue, DroneTaskQueue } from 'drone-task-queue';
import { MemoryJobSource, RedisJobSource, RepoCache, RepoExecutor } from 'drone-task-queue/executor';
import { DroneManager, TickLoop } from 'drone-task-queue/scheduler';
import { type FarmTables, HttpMasterLink, ShardClient, ShardMaster, shardRoutes } from 'drone-task-queue/shard';
import { Store } from 'drone-task-queue/store';
import { GitFileSource, ConfigLoader, TenantLocks } from 'drone-task-queue/tenants';
import { yamlLayouts } from 'drone-task-queue/tenants/yaml';
import { FakeDrone, startSshServer } from 'drone-task-queue/testing';
import { options, optionTables, PAGE, reference } from '../../scripts/options-reference.js';

/** Options of any shape. */
type Given = never;

/** Hands options over as a caller does. `valid` holds what is required. */
interface Way {
  readonly valid?: Readonly<Record<string, unknown>>;
  readonly give: (options: Given) => unknown;
}

const drone = new FakeDrone('fake', { untouched: () => assert.fail('a call ran') });
drone.queueCall('untouched');
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
  ROUND: { give: async value => queue.execute([drone], value) },
  CLOSE: { give: async value => queue.close(value) },
  CALL: { give: value => drone.with(value) },
  COPY_BETWEEN_DRONES: { give: async value => copyBetweenDrones(queue, path, path, value) },
  LOCAL_DRONE: { give: value => new LocalDrone(value) },
  SSH: { give: value => new SshDrone('web1', value) },
  ALGORITHM_LISTS: { give: value => new SshDrone('web1', value) },
  ANSWERS: { give: value => new SshDrone('web1', value) },
  FROM_SSH_CONFIG: { give: async value => SshDrone.fromSshConfig('web1', value) },
  TICK_LOOP: { give: value => new TickLoop(call, value) },
  DRONE_MANAGER: { give: value => new DroneManager(queue, value) },
  MANAGER_ROUND: { give: async value => manager.executeActions(value) },
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

for (const { name, rows } of tables) {
  const { valid = {}, give = never } = WAYS[name] ?? {};
  const refused = async (given: Readonly<Record<string, unknown>>, message: RegExp): Promise<void> => {
    const work = async (): Promise<unknown> => give({ ...valid, ...given } as Given);
    await assert.rejects(work, { name: 'TypeError', code: 'ERR_INVALID_ARG', message });
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

test('docs/options.md is up to date: npm run docs writes it', async () => {
  assert.equal(readFileSync(PAGE, 'utf8'), await reference());
});
