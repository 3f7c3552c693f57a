/** Farms for tests: stores with the farm's tables, and rows in them. */
import { farmMigrations, type FarmTables, type HostRow, type JobRow, type QueueEntryRow } from 'drone-task-queue/shard';
import { Store, type StoreOptions } from 'drone-task-queue/store';
import { sql } from 'kysely';

export type Farm = Store<FarmTables>;

export async function openFarm(options: StoreOptions): Promise<Farm> {
  const farm = await Store.open<FarmTables>(options);
  await farm.migrate(farmMigrations);
  return farm;
}

/** Some rows of any tables, in an order in which each may point to those before it. */
export type Rows = { readonly [Table in keyof FarmTables]?: readonly FarmTables[Table][] };

export async function addRows(farm: Farm, rows: Rows): Promise<void> {
  await farm.readWrite('add rows', async tx => {
    for (const [table, some] of Object.entries(rows)) {
      if (some.length > 0)
        await tx
          .insertInto(table as keyof FarmTables)
          .values([...some] as never)
          .execute();
    }
  });
}

/** All rows of a table, in the order of their columns. */
export async function rowsOf<Table extends keyof FarmTables>(farm: Farm, table: Table): Promise<FarmTables[Table][]> {
  const rows = await farm.read(db => sql<FarmTables[Table]>`SELECT * FROM ${sql.table(table)}`.execute(db));
  return rows.rows.sort((a, b) => compare(Object.values(a), Object.values(b)));
}

function compare(a: readonly unknown[], b: readonly unknown[]): number {
  for (const [at, value] of a.entries()) {
    if (value !== b[at]) return (value as number | string) < (b[at] as number | string) ? -1 : 1;
  }
  return 0;
}

export function host(id: number, rest: Partial<HostRow> = {}): HostRow {
  const hostname = `host${String(id)}`;
  return { id, hostname, status: 'Ready', locked: 0, leased: 0, invalid: 0, shard_id: null, ...rest };
}

export const CREATED_ON = '2026-01-31T12:00:00.000Z';
export const FINISHED_ON = '2026-01-31T13:00:00.000Z';

export function job(id: number, rest: Partial<JobRow> = {}): JobRow {
  const text = { name: `job${String(id)}`, owner: 'someone', command: 'true', created_on: CREATED_ON };
  return { id, ...text, priority: 0, parent_job_id: null, shard_id: null, ...rest };
}

export function entry(id: number, jobId: number, rest: Partial<QueueEntryRow> = {}): QueueEntryRow {
  const flags = { active: 0, complete: 0, aborted: 0 } as const;
  const nothing = { host_id: null, meta_host: null, started_on: null, finished_on: null };
  return { id, job_id: jobId, status: 'Queued', ...flags, ...nothing, execution_subdir: '', ...rest };
}

/** As it arrives on the other side; `change` as for JSON.stringify. */
export function overTheWire<T>(value: T, change?: (field: string, value: unknown) => unknown): T {
  return JSON.parse(JSON.stringify(value, change)) as T;
}
