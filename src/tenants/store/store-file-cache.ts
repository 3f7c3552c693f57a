import type { Store } from '../../store/store.js';
import type { BranchLoad } from '../branch-cache.js';
import { type BranchName, serves, type SharedFileCache } from '../shared-file-cache.js';
import type { TenantTables } from './tenant-tables.js';
import { TenantStore } from './tenant-store.js';

/**
 * Holds the searches in a table of the store, which `tenantTables` creates: one row for each branch.
 *
 *     const cache = new StoreFileCache(store);
 */
export class StoreFileCache<DB extends TenantTables = TenantTables> implements SharedFileCache {
  readonly #store: TenantStore;

  /** Throws a TypeError (`ERR_INVALID_ARG`) unless it is a store, which the caller closes. */
  constructor(store: Store<DB>) {
    this.#store = new TenantStore(store);
  }

  /** As in SharedFileCache. Rejects with a StoreError. */
  async read(
    { project, branch }: BranchName,
    extraPaths: readonly string[],
    minLtime: number,
  ): Promise<BranchLoad | undefined> {
    const row = await this.#store.read('read files', async db =>
      db
        .selectFrom('tenant_files')
        .select(['ltime', 'extra_paths', 'files'])
        .where('project', '=', project)
        .where('branch', '=', branch)
        .where('ltime', '>=', minLtime)
        .executeTakeFirst(),
    );
    if (row === undefined) return undefined;
    const held: BranchLoad = {
      ltime: Number(row.ltime),
      extraPaths: JSON.parse(row.extra_paths) as string[],
      files: new Map(JSON.parse(row.files) as [string, string | null][]),
    };
    return serves(held, extraPaths, minLtime) ? held : undefined;
  }

  /**
   * As in SharedFileCache. Rejects with a StoreError; `ERR_SECTION_NESTING` inside a section of the same store that
   * writes.
   */
  async write({ project, branch }: BranchName, { ltime, extraPaths, files }: BranchLoad): Promise<void> {
    const load = { ltime, extra_paths: JSON.stringify(extraPaths), files: JSON.stringify([...files]) };
    await this.#store.write('share files', async tx =>
      tx
        .insertInto('tenant_files')
        .values({ project, branch, ...load })
        .onConflict(held =>
          held.columns(['project', 'branch']).doUpdateSet(load).where('tenant_files.ltime', '<', ltime),
        )
        .execute(),
    );
  }

  /** As in SharedFileCache. Rejects with a StoreError. */
  async projects(): Promise<string[]> {
    const rows = await this.#store.read('projects', async db =>
      db.selectFrom('tenant_files').select('project').distinct().execute(),
    );
    return rows.map(({ project }) => project);
  }

  /** As in SharedFileCache. Rejects as `write` does. */
  async drop(project: string): Promise<void> {
    await this.#store.write('drop files', async tx =>
      tx.deleteFrom('tenant_files').where('project', '=', project).execute(),
    );
  }
}
