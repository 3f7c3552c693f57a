/** The part that measures tenants: all of them reconfigured, and one of them alone and beside another one. */
import { measure } from './process.js';
import { type Row, rowOf } from '../row.js';
import type { Scale } from '../scale.js';

interface Report {
  readonly allMs: number;
  readonly aloneMs: readonly number[];
  readonly besideMs: readonly number[];
}

const CACHES = { memory: 'cache and clock in memory', sqlite: 'cache and clock in an SQLite file' } as const;

export async function tenants({ runs = 2 }: Scale): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [cache, tool] of Object.entries(CACHES)) {
    const reports: Report[] = [];
    for (let run = 0; run < runs; run++) reports.push(await measure<Report>('../programs/tenants-load.js', { cache }));
    const workload = '200 projects x 5 branches, 20 tenants of 20 projects each';
    const note = 'files come in the next turn of the event loop: the time is our own';
    const about = { part: 'tenants', drones: 0, tool: `ConfigLoader, ${tool}`, workload, unit: 'ms', note };
    const all = reports.map(({ allMs }) => allMs);
    const alone = reports.flatMap(({ aloneMs }) => aloneMs);
    const beside = reports.flatMap(({ besideMs }) => besideMs);
    rows.push(
      rowOf({ ...about, figure: 'all tenants' }, all),
      rowOf({ ...about, figure: 'one tenant, alone' }, alone),
      rowOf({ ...about, figure: 'one tenant, while another one is being loaded' }, beside),
    );
  }
  return rows;
}
