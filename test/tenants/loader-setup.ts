/** A config loader on repositories in memory. */
import { once } from 'node:events';
import {
  ConfigLoader,
  LayoutError,
  MemoryLogicalClock,
  TenantLocks,
  TenantRegistry,
  type BranchName,
  type ConfigLoaderOptions,
  type FileSource,
  type TenantListSource,
  type TenantConfig,
} from 'drone-task-queue/tenants';
import type { Gate } from 'drone-task-queue/testing';

/** Repositories in memory: their files by path, what is asked of them, and where they are slow or broken. */
export class Repositories implements FileSource {
  readonly branches = new Map<string, Record<string, string>>();
  readonly asked: string[] = [];
  readonly askedPaths: (readonly string[])[] = [];
  readonly gates = new Map<string, Gate>();
  readonly broken = new Set<string>();

  async files(
    { project, branch }: BranchName,
    paths: readonly string[],
    signal: AbortSignal,
  ): Promise<Map<string, string>> {
    const name = `${project} ${branch}`;
    this.asked.push(name);
    this.askedPaths.push(paths);
    const found = { ...this.branches.get(name) };
    const gate = this.gates.get(name);
    if (gate !== undefined) await Promise.race([gate.wait(), once(signal, 'abort')]);
    signal.throwIfAborted();
    if (this.broken.has(name)) throw new Error('remote gone');
    const isWanted = (path: string): boolean =>
      paths.some(one => (one.endsWith('/') ? path.startsWith(one) : path === one));
    return new Map(Object.entries(found).filter(([path]) => isWanted(path)));
  }

  /** What was asked since the last time. */
  askedSince(): string[] {
    this.askedPaths.length = 0;
    return this.asked.splice(0).sort();
  }
}

class Published implements TenantListSource {
  #ltime = 0;
  #tenants: readonly TenantConfig[] = [];
  reads = 0;

  publish(...tenants: readonly TenantConfig[]): void {
    this.#ltime += 1;
    this.#tenants = tenants;
  }

  async ltime(): Promise<number> {
    return this.#ltime;
  }

  async read(): Promise<{ ltime: number; tenants: readonly TenantConfig[] }> {
    this.reads += 1;
    return { ltime: this.#ltime, tenants: this.#tenants };
  }
}

export interface Setup {
  readonly repositories: Repositories;
  readonly published: Published;
  readonly registry: TenantRegistry<string>;
  readonly locks: TenantLocks;
  readonly loader: ConfigLoader<string>;
  /** Warnings and errors. */
  readonly lines: string[];
  layoutOf(tenant: string): string | undefined;
}

/** Tenants `a` and `b` share a project and have one of their own each; a layout is the text of all files. */
export function setup(options: Partial<ConfigLoaderOptions<string>> = {}): Setup {
  const repositories = new Repositories();
  for (const project of ['shared', 'pa', 'pb'])
    repositories.branches.set(`${project} main`, { 'drones.yaml': `${project}1` });
  const published = new Published();
  const registry = new TenantRegistry<string>();
  const locks = new TenantLocks();
  const lines: string[] = [];
  const log = {
    debug() {},
    info() {},
    warn: (line: string) => lines.push(line),
    error: (line: string) => lines.push(line),
  };
  const loader = new ConfigLoader<string>({
    registry,
    locks,
    clock: new MemoryLogicalClock(),
    system: published,
    files: repositories,
    makeLayout: files => {
      const faults = files
        .filter(({ text }) => text.startsWith('broken'))
        .map(({ project, branch, path }) => ({ project, branch, path, line: 3, reason: 'no such pipeline' }));
      if (faults.length > 0) throw new LayoutError(faults);
      return files.map(({ text }) => text).join(' ');
    },
    log,
    ...options,
  });
  published.publish(tenant('a', 'pa'), tenant('b', 'pb'));
  return {
    repositories,
    published,
    registry,
    locks,
    loader,
    lines,
    layoutOf: name => registry.tenant(name)?.layout?.layout,
  };
}

export function tenant(name: string, own: string, extraPaths: readonly string[] = []): TenantConfig {
  return { name, projects: [{ project: 'shared', extraPaths }, { project: own }] };
}
