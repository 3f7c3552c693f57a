// Reconfigurations of many tenants. While one is measured beside another, that one waits for a repository all the time: if
// it kept others waiting, there would be no figure.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { Store } from 'drone-task-queue/store';
import {
  ConfigLoader,
  MemoryFileCache,
  MemoryLogicalClock,
  TenantLocks,
  TenantRegistry,
} from 'drone-task-queue/tenants';
import { StoreFileCache, StoreLogicalClock, tenantTables } from 'drone-task-queue/tenants/store';
import { serve, upTo } from './program.js';

const PROJECTS = 200;
const BRANCHES = ['main', 'next', 'stable', 'old', 'older'];
const TENANTS = 20;
/** A tenant shares half of its projects with the tenant before it. */
const PROJECTS_OF_TENANT = 20;
const SINGLE_RUNS = 5;

const tenants = upTo(TENANTS).map(at => ({
  name: `tenant-${String(at)}`,
  projects: upTo(PROJECTS_OF_TENANT).map(own => ({
    project: `project-${String(((at * PROJECTS) / TENANTS + own) % PROJECTS)}`,
    branches: BRANCHES,
    extraPaths: [`ci-${String(at)}/`],
  })),
}));

/** @param {string} cache */
async function openShared(cache) {
  if (cache === 'memory') {
    return { clock: new MemoryLogicalClock(), cache: new MemoryFileCache(), close: async () => undefined };
  }
  const folder = await mkdtemp(join(tmpdir(), 'drone-bench-'));
  /** @type {Store<import('drone-task-queue/tenants/store').TenantTables>} */
  const store = await Store.open({ file: join(folder, 'store.db') });
  await store.migrate({ tenants: tenantTables });
  const close = async () => {
    await store.close();
    await rm(folder, { recursive: true });
  };
  return { clock: new StoreLogicalClock(store), cache: new StoreFileCache(store), close };
}

/** @param {() => Promise<{ outcomes: ReadonlyMap<string, string> }>} reconfigure */
async function timed(reconfigure) {
  const startMs = performance.now();
  const { outcomes } = await reconfigure();
  const tookMs = performance.now() - startMs;
  for (const [name, outcome] of outcomes) if (outcome !== 'loaded') throw new Error(`${name} is ${outcome}`);
  return tookMs;
}

serve(
  /** @param {{ cache: string }} task */
  async ({ cache: where }) => {
    const { clock, cache, close } = await openShared(where);
    /** @type {Promise<void> | undefined} */
    let slow;
    /** @type {() => void} */
    let isHeld = () => undefined;
    const texts = new Map([
      ['drones.d/jobs', 'test: npm test\n'.repeat(20)],
      ['drones.d/more', 'lint: npm run lint\n'.repeat(20)],
    ]);
    /** @type {ConfigLoader<number>} */
    const loader = new ConfigLoader({
      registry: new TenantRegistry(),
      locks: new TenantLocks(),
      clock,
      cache,
      system: { ltime: async () => 1, read: async () => ({ ltime: 1, tenants }) },
      files: {
        files: async ({ project }) => {
          await turn();
          if (project === 'project-0') {
            isHeld();
            await slow;
          }
          return texts;
        },
      },
      makeLayout: files => files.length,
    });
    const allMs = await timed(() => loader.reconfigureAll());
    // Far from the one that is held: they have no project in common.
    const one = tenants[TENANTS / 2];
    if (one === undefined) throw new Error('there are no tenants');
    const reconfigureOne = () =>
      loader.reconfigureTenant(
        one.name,
        one.projects.map(({ project }) => ({ project })),
      );
    const singles = async () => {
      /** @type {number[]} */
      const tookMs = [];
      for (let run = 0; run < SINGLE_RUNS; run++) tookMs.push(await timed(reconfigureOne));
      return tookMs;
    };
    await singles();
    const aloneMs = await singles();

    /** @type {() => void} */
    let letGo = () => undefined;
    slow = new Promise(resolve => {
      letGo = resolve;
    });
    const held = new Promise(resolve => {
      isHeld = () => resolve(undefined);
    });
    const other = loader.reconfigureTenant('tenant-0', [{ project: 'project-0' }]);
    await held;
    const besideMs = await singles();
    letGo();
    await other;
    await close();
    return { allMs, aloneMs, besideMs };
  },
);
