// Two schedulers share their tenants through a store, here two connections to one SQLite file. What one has read and made,
// the other makes too, without reading a repository. A real scheduler catches up every few seconds.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Store } from 'drone-task-queue/store';
import { ConfigLoader, TenantLocks, TenantRegistry, type FileSource } from 'drone-task-queue/tenants';
import {
  StoreFileCache,
  StoreLayoutStates,
  StoreLogicalClock,
  StoreTenantListSource,
  tenantTables,
  type TenantTables,
} from 'drone-task-queue/tenants/store';

// The repositories; yours are read with git.
const repositories = new Map([
  ['base', 'lint'],
  ['web', 'test'],
]);

async function scheduler(name: string, file: string) {
  const store = await Store.open<TenantTables>({ file });
  await store.migrate({ '1-tenants': tenantTables });
  const files: FileSource = {
    async files({ project }) {
      console.log(`${name} reads ${project}`);
      return new Map([['drones.yaml', repositories.get(project) ?? '']]);
    },
  };
  const registry = new TenantRegistry<string[]>();
  const system = new StoreTenantListSource(store);
  const states = new StoreLayoutStates(store);
  const loader = new ConfigLoader<string[]>({
    registry,
    locks: new TenantLocks(),
    clock: new StoreLogicalClock(store),
    cache: new StoreFileCache(store),
    system,
    files,
    makeLayout: configFiles => configFiles.map(({ text }) => text),
  });
  return {
    store,
    system,
    loader,
    /** After each change of its own. */
    save: async () => states.save(registry.snapshot),
    /** Every few seconds. */
    catchUp: async () => {
      const { outcomes } = await loader.catchUp(await states.read());
      for (const [tenant, outcome] of outcomes) {
        console.log(`${name} ${outcome} ${tenant}: ${String(registry.tenant(tenant)?.layout?.layout.join(', '))}`);
      }
    },
  };
}

const folder = await mkdtemp(join(tmpdir(), 'shared-tenants-'));
const file = join(folder, 'farm.db');
const one = await scheduler('one', file);
const two = await scheduler('two', file);

await one.system.publish([{ name: 'web', projects: [{ project: 'base' }, { project: 'web' }] }]);
await one.loader.reconfigureAll();
await one.save();
await two.catchUp();

repositories.set('web', 'test and deploy');
await two.loader.reconfigureTenant('web', [{ project: 'web' }]);
await two.save();
await one.catchUp();

await one.store.close();
await two.store.close();
await rm(folder, { recursive: true });
