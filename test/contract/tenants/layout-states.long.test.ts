/** From the states in a store, schedulers catch up with each other. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  ConfigLoader,
  type FileSource,
  type TenantConfig,
  type TenantLayout,
  TenantLocks,
  TenantRegistry,
} from 'drone-task-queue/tenants';
import {
  StoreFileCache,
  StoreLayoutStates,
  StoreLogicalClock,
  StoreTenantListSource,
} from 'drone-task-queue/tenants/store';
import { leakCheck } from '../../support/leak-check.js';
import { testDatabases } from '../store/databases.js';
import { storeErrorOf } from '../store/items.js';
import { openShared, openStore } from './stores.js';

const databases = testDatabases();
leakCheck();

const A: TenantConfig = { name: 'a', projects: [{ project: 'p', branches: ['main', 'next'] }, { project: 'q' }] };
const B: TenantConfig = { name: 'b', projects: [{ project: 'q' }] };

function registryOf(ltime: number, ...tenants: TenantConfig[]): TenantRegistry<string> {
  const registry = new TenantRegistry<string>();
  registry.replace(tenants, ltime);
  return registry;
}

function setLayout(registry: TenantRegistry<string>, name: string, ltime: number): TenantLayout<string> {
  const config = registry.tenant(name)?.config;
  assert(config);
  const minLtimes = new Map(
    config.projects.map(({ project, branches }) => [
      project,
      new Map(branches.map((one, at) => [one, ltime - at - 1])),
    ]),
  );
  const layout = { ltime, minLtimes, layout: '', config };
  assert(registry.setLayout(name, layout));
  return layout;
}

for (const { name, place } of databases.all) {
  test(`${name}: the newest saved state of each tenant is read back whole`, async () => {
    await using shared = await openShared(await place());
    const states = new StoreLayoutStates(shared.store);
    assert.deepEqual(await states.read(), new Map());
    const [one, other] = [registryOf(1, A, B), registryOf(1, A, B)];
    const older = setLayout(other, 'a', 7);
    const newer = setLayout(one, 'a', 9);
    await states.save(other.snapshot);
    assert.deepEqual([...(await states.read())], [['a', { ltime: 7, minLtimes: older.minLtimes }]]);
    await states.save(one.snapshot);
    await states.save(other.snapshot);
    assert.deepEqual([...(await states.read())], [['a', { ltime: 9, minLtimes: newer.minLtimes }]]);
  });

  test(`${name}: a tenant that is gone from the list is gone from the states, unless a later list has it`, async () => {
    await using shared = await openShared(await place());
    const states = new StoreLayoutStates(shared.store);
    const [first, second, third] = [registryOf(1, A), registryOf(2, A, B), registryOf(3, B)];
    setLayout(second, 'b', 5);
    setLayout(first, 'a', 4);
    await states.save(second.snapshot);
    await states.save(first.snapshot);
    assert.deepEqual([...(await states.read()).keys()], ['a', 'b'], 'the old list does not know of b');
    await states.save(third.snapshot);
    assert.deepEqual([...(await states.read()).keys()], ['b']);
    await states.save(registryOf(2, A).snapshot);
    assert.deepEqual([...(await states.read()).keys()], ['b']);
  });

  test(`${name}: states that are saved at once all arrive`, async () => {
    await using shared = await openShared(await place());
    const states = new StoreLayoutStates(shared.store);
    const ltimes = [4, 9, 2, 7, 1, 8];
    await Promise.all(
      ltimes.map(async ltime => {
        const registry = registryOf(1, A, B);
        setLayout(registry, ltime % 2 === 0 ? 'a' : 'b', ltime);
        await states.save(registry.snapshot);
      }),
    );
    assert.deepEqual(
      [...(await states.read())].map(([tenant, { ltime }]) => [tenant, ltime]),
      [
        ['a', 8],
        ['b', 9],
      ],
    );
  });

  test(`${name}: states are not saved as a part of a section, which may be undone`, async () => {
    await using shared = await openShared(await place());
    const states = new StoreLayoutStates(shared.store);
    const registry = registryOf(1, A);
    setLayout(registry, 'a', 3);
    await storeErrorOf(
      shared.store.readWrite('mine', async () => states.save(registry.snapshot)),
      'ERR_SECTION_NESTING',
    );
    assert.equal((await states.read()).size, 0);
  });
}

for (const { name, place } of databases.shared) {
  test(`${name}: a scheduler catches up from the store with what another one has made`, async () => {
    const where = await place();
    await using first = await scheduler(await openStore(where));
    await using second = await scheduler(await openStore(where));
    await first.system.publish([A, B]);
    await first.loader.reconfigureAll();
    await first.states.save(first.registry.snapshot);
    const caughtUp = await second.loader.catchUp(await second.states.read());
    assert.deepEqual(
      [...caughtUp.outcomes],
      [
        ['a', 'loaded'],
        ['b', 'loaded'],
      ],
    );
    assert.deepEqual([second.asked, second.texts()], [[], first.texts()]);
    await second.states.save(second.registry.snapshot);
    assert.equal((await first.loader.catchUp(await first.states.read())).outcomes.size, 0);
  });
}

test('without a store there are no states', () => {
  assert.throws(() => new StoreLayoutStates({} as never), { code: 'ERR_INVALID_ARG' });
});

interface Scheduler extends AsyncDisposable {
  readonly loader: ConfigLoader<string>;
  readonly registry: TenantRegistry<string>;
  readonly states: StoreLayoutStates;
  readonly system: StoreTenantListSource;
  /** Branches that were read from the source. */
  readonly asked: string[];
  texts(): (string | undefined)[];
}

async function scheduler(store: Awaited<ReturnType<typeof openStore>>): Promise<Scheduler> {
  const asked: string[] = [];
  const files: FileSource = {
    files: async ({ project, branch }) => {
      asked.push(`${project} ${branch}`);
      return new Map([['drones.yaml', `${project} ${branch}`]]);
    },
  };
  const registry = new TenantRegistry<string>();
  const system = new StoreTenantListSource(store);
  const loader = new ConfigLoader<string>({
    registry,
    locks: new TenantLocks(),
    clock: new StoreLogicalClock(store),
    cache: new StoreFileCache(store),
    system,
    files,
    makeLayout: found => found.map(({ text }) => text).join(', '),
  });
  return {
    loader,
    registry,
    states: new StoreLayoutStates(store),
    system,
    asked,
    texts: () => [...registry.snapshot.tenants.values()].map(({ layout }) => layout?.layout),
    [Symbol.asyncDispose]: async () => store.close(),
  };
}
