/** A list of tenants that schedulers publish to each other in a store, with clock and files there too. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Store } from 'drone-task-queue/store';
import {
  ConfigLoader,
  type BranchName,
  type FileSource,
  type LayoutState,
  type TenantList,
  type TenantConfig,
  TenantLocks,
  TenantRegistry,
} from 'drone-task-queue/tenants';
import {
  StoreFileCache,
  StoreLogicalClock,
  StoreTenantListSource,
  tenantTables,
  type TenantTables,
} from 'drone-task-queue/tenants/store';
import { sql } from 'kysely';
import { leakCheck } from '../../support/leak-check.js';
import { testDatabases, type Place } from '../store/databases.js';
import { storeErrorOf } from '../store/items.js';
import { startProgram } from '../store/programs.js';
import { openStore } from './stores.js';

const databases = testDatabases();
leakCheck();

const PROGRAM = new URL('./programs/tenant-process.js', import.meta.url);

/** Another process publishes a list of tenants of one project each. */
async function publishElsewhere(place: Place, ...names: string[]): Promise<void> {
  await using program = startProgram('publish', place, PROGRAM, ['1', ...names]);
  program.go();
  assert.equal(await program.ended(), '0');
}

function listOf(...names: string[]): TenantConfig[] {
  return names.map(name => ({ name, projects: [{ project: name }] }));
}

class CountedSource extends StoreTenantListSource {
  /** How often it was read whole. */
  reads = 0;

  override async read(): Promise<TenantList> {
    this.reads += 1;
    return super.read();
  }
}

class Files implements FileSource {
  readonly asked: string[] = [];

  async files({ project }: BranchName): Promise<Map<string, string>> {
    this.asked.push(project);
    return new Map([['drones.yaml', `of ${project}`]]);
  }
}

interface Scheduler {
  readonly system: CountedSource;
  readonly files: Files;
  readonly registry: TenantRegistry<string>;
  readonly loader: ConfigLoader<string>;
}

function schedulerOn(store: Store<TenantTables>): Scheduler {
  const system = new CountedSource(store);
  const files = new Files();
  const registry = new TenantRegistry<string>();
  const loader = new ConfigLoader<string>({
    registry,
    locks: new TenantLocks(),
    clock: new StoreLogicalClock(store),
    cache: new StoreFileCache(store),
    system,
    files,
    makeLayout: all => all.map(({ text }) => text).join(),
  });
  return { system, files, registry, loader };
}

for (const { name, place } of databases.shared) {
  test(`${name}: a list of tenants that another process has published is taken over once, however many ask`, async () => {
    const where = await place();
    await using store = await openStore(where);
    await publishElsewhere(where, 'a');
    const { loader, registry, system } = schedulerOn(store);
    const taken = async (): Promise<boolean[]> => Promise.all([1, 2, 3].map(async () => loader.updateSystem()));
    assert.deepEqual([(await taken()).filter(Boolean).length, system.reads], [1, 1]);
    assert.deepEqual(await taken(), [false, false, false]);
    await publishElsewhere(where, 'a', 'b');
    assert.deepEqual([(await taken()).filter(Boolean).length, system.reads], [1, 2]);
    assert.deepEqual([...registry.snapshot.tenants.keys()], ['a', 'b']);
  });

  test(`${name}: a second scheduler makes the layouts of the first from what that has read, and is older in nothing`, async () => {
    const where = await place();
    await using store = await openStore(where);
    await using storeOfSecond = await Store.open<TenantTables>(where);
    const [first, second] = [schedulerOn(store), schedulerOn(storeOfSecond)];
    await first.system.publish(listOf('a', 'b'));
    await first.loader.reconfigureAll();
    assert.deepEqual(first.files.asked.sort(), ['a', 'b']);
    const states = new Map<string, LayoutState>();
    for (const [tenant, { layout }] of first.registry.snapshot.tenants) if (layout) states.set(tenant, layout);
    const { outcomes } = await second.loader.catchUp(states);
    assert.deepEqual([[...outcomes.values()], second.files.asked], [['loaded', 'loaded'], []]);
    assert.equal(second.registry.tenant('a')?.layout?.layout, 'of a');
    const { ltime = NaN } = second.registry.tenant('a')?.layout ?? {};
    await second.loader.reconfigureTenant('a', [{ project: 'a' }]);
    assert((second.registry.tenant('a')?.layout?.ltime ?? NaN) > ltime);
    await first.loader.reconfigureChanged();
    assert.deepEqual(
      [await first.loader.cleanup(), (await new StoreFileCache(store).projects()).sort()],
      [[], ['a', 'b']],
    );
  });
}

for (const { name, place } of databases.shared) {
  test(`${name}: of lists that processes publish at once each has an ltime of its own, and the latest stays`, async () => {
    const where = await place();
    await using store = await openStore(where);
    await using one = startProgram('publish', where, PROGRAM, ['20', 'a']);
    await using other = startProgram('publish', where, PROGRAM, ['20', 'b']);
    assert.deepEqual([await one.line(), await other.line()], ['ready', 'ready']);
    one.go();
    other.go();
    const [ofOne = [], ofOther = []] = (await Promise.all([one.line(), other.line()])).map(
      line => JSON.parse(line) as number[],
    );
    assert.deepEqual(await Promise.all([one.ended(), other.ended()]), ['0', '0']);
    for (const ltimes of [ofOne, ofOther]) {
      assert.deepEqual(
        ltimes,
        ltimes.toSorted((a, b) => a - b),
      );
    }
    const latest = Math.max(...ofOne, ...ofOther);
    assert.equal(new Set([...ofOne, ...ofOther]).size, 40);
    const system = new StoreTenantListSource(store);
    const { ltime, tenants } = await system.read();
    assert.deepEqual(
      [await system.ltime(), ltime, tenants[0]?.name],
      [latest, latest, ofOne.includes(latest) ? 'a' : 'b'],
    );
  });
}

for (const { name, place } of databases.all) {
  test(`${name}: before anything is published there are no tenants, and a loader takes nothing over`, async () => {
    await using store = await openStore(await place());
    const { system, loader, registry } = schedulerOn(store);
    assert.deepEqual([await system.ltime(), await system.read()], [-1, { ltime: -1, tenants: [] }]);
    assert.deepEqual([await loader.updateSystem(), registry.snapshot.ltime], [false, -1]);
  });

  test(`${name}: a list is given back whole, later than all ltimes before it, and one that is bad is not published`, async () => {
    await using store = await openStore(await place());
    const system = new StoreTenantListSource(store);
    const clock = new StoreLogicalClock(store);
    const before = await clock.next();
    const projects = [
      { project: 'zero \0 "\' \u{1f41d}', branches: ['main', 'next'], extraPaths: ['ci/'] },
      { project: 'half \ud83d' },
    ];
    const first = await system.publish([{ name: 'a', projects }]);
    assert(first > before && (await clock.next()) > first);
    const published = {
      ltime: first,
      tenants: [{ name: 'a', projects: [projects[0], { ...projects[1], branches: ['main'], extraPaths: [] }] }],
    };
    assert.deepEqual(await system.read(), published);
    await assert.rejects(system.publish([...listOf('a'), ...listOf('a')]), {
      code: 'ERR_INVALID_ARG',
      message: /a tenant is 'a'/,
    });
    await assert.rejects(system.publish([{ name: 'a', projects: [{ project: 'p', extraPaths: ['drones.d/'] }] }]), {
      code: 'ERR_INVALID_ARG',
      message: /a path that is not already searched/,
    });
    assert.deepEqual([await system.ltime(), await system.read()], [first, published]);
    assert((await system.publish([])) > first);
    assert.deepEqual((await system.read()).tenants, []);
    const roots = new StoreTenantListSource(store, ['ci.yaml']);
    await roots.publish([{ name: 'a', projects: [{ project: 'p', extraPaths: ['drones.d/'] }] }]);
    assert.throws(() => new StoreTenantListSource(store, []), { code: 'ERR_INVALID_ARG', message: /roots is/ });
  });

  test(`${name}: a list is never taken back with a caller's section`, async () => {
    await using store = await openStore(await place());
    const system = new StoreTenantListSource(store);
    await storeErrorOf(
      store.readWrite('mine', async () => system.publish(listOf('a'))),
      'ERR_SECTION_NESTING',
    );
    assert.equal(await system.ltime(), -1);
  });

  test(`${name}: tables of an earlier version keep what they hold when what is missing is made`, async () => {
    await using store = await Store.open<TenantTables>(await place());
    await store.migrate({ '1-tenants': tenantTables });
    await store.readWrite('as it was', async tx => sql`DROP TABLE tenant_system`.execute(tx));
    const clock = new StoreLogicalClock(store);
    const cache = new StoreFileCache(store);
    const before = await clock.next();
    await cache.write({ project: 'p', branch: 'main' }, { ltime: before, extraPaths: [], files: new Map() });
    await store.migrate({ '1-tenants': tenantTables, '2-tenants': tenantTables });
    assert((await new StoreTenantListSource(store).publish(listOf('a'))) > before);
    assert.deepEqual(await cache.projects(), ['p']);
  });
}
