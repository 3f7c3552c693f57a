/** A list of tenants that schedulers publish to each other in a store, with clock and files there too. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Store } from 'drone-task-queue/store';
import {
  ConfigLoader,
  type BranchName,
  type FileSource,
  type LayoutState,
  TenantLocks,
  TenantRegistry,
} from 'drone-task-queue/tenants';
import { StoreFileCache, StoreLogicalClock, tenantTables } from 'drone-task-queue/tenants/store';
import { leakCheck } from '../../leak-check.js';
import { testDatabases, type Place } from '../store/databases.js';
import { startProgram } from '../store/programs.js';
import { publishedTable, StoredConfig, type Tables } from './stored-config.js';

const databases = testDatabases();
leakCheck();

const PROGRAM = new URL('./tenant-process.js', import.meta.url);

/** Another process publishes a list of tenants of one project each. */
async function publish(place: Place, ltime: number, ...names: string[]): Promise<void> {
  await using program = startProgram('publish', place, PROGRAM, [String(ltime), ...names]);
  program.go();
  assert.equal(await program.ended(), '0');
}

class Files implements FileSource {
  readonly asked: string[] = [];

  async files({ project }: BranchName): Promise<Map<string, string>> {
    this.asked.push(project);
    return new Map([['drones.yaml', `of ${project}`]]);
  }
}

interface Scheduler {
  readonly system: StoredConfig;
  readonly files: Files;
  readonly registry: TenantRegistry<string>;
  readonly loader: ConfigLoader<string>;
}

function schedulerOn(store: Store<Tables>): Scheduler {
  const system = new StoredConfig(store);
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

async function openStore(place: Place): Promise<Store<Tables>> {
  const store = await Store.open<Tables>(place);
  await store.migrate({ '1-tenants': tenantTables, '2-published': publishedTable });
  return store;
}

for (const { name, place } of databases.shared) {
  test(`${name}: a list of tenants that another process has published is taken over once, however many ask`, async () => {
    const where = await place();
    await using store = await openStore(where);
    await publish(where, 1, 'a');
    const { loader, registry, system } = schedulerOn(store);
    const taken = async (): Promise<boolean[]> => Promise.all([1, 2, 3].map(async () => loader.updateSystem()));
    assert.deepEqual([(await taken()).filter(Boolean).length, system.reads], [1, 1]);
    assert.deepEqual(await taken(), [false, false, false]);
    await publish(where, 2, 'a', 'b');
    assert.deepEqual([(await taken()).filter(Boolean).length, system.reads], [1, 2]);
    assert.deepEqual([...registry.snapshot.tenants.keys()], ['a', 'b']);
  });

  test(`${name}: a second scheduler makes the layouts of the first from what that has read, and is older in nothing`, async () => {
    const where = await place();
    await using store = await openStore(where);
    await using storeOfSecond = await Store.open<Tables>(where);
    const [first, second] = [schedulerOn(store), schedulerOn(storeOfSecond)];
    await first.system.publish({
      ltime: 1,
      tenants: ['a', 'b'].map(each => ({ name: each, projects: [{ project: each }] })),
    });
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
