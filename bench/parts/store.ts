/** The part that measures the store: processes that write to the same SQLite file. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measure } from './process.js';
import { type Row, rowOf } from '../row.js';
import type { Scale } from '../scale.js';

const MEASURED_MS = 5_000;
const PROCESSES = [1, 2] as const;

interface Report {
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly perSecond: number;
}

export async function store({ runs = 3 }: Scale): Promise<Row[]> {
  const rows: Row[] = [];
  for (const processes of PROCESSES) {
    const reports: Report[] = [];
    const totals: number[] = [];
    for (let run = 0; run < runs; run++) {
      const found = await measureTogether(processes);
      reports.push(...found);
      totals.push(found.reduce((sum, { perSecond }) => sum + perSecond, 0));
    }
    const workload = `${processes === 1 ? 'one process writes' : 'two processes write'} to one SQLite file`;
    const about = { part: 'store', drones: 0, tool: 'Store', workload, note: 'a section reads a row and updates it' };
    const ofEach = (figure: keyof Report): number[] => reports.map(report => report[figure]);
    rows.push(
      rowOf({ ...about, figure: 'main loop delay p99', unit: 'ms' }, ofEach('p99Ms')),
      rowOf({ ...about, figure: 'main loop delay max', unit: 'ms' }, ofEach('maxMs')),
      rowOf({ ...about, figure: 'sections, all processes', unit: '1/s' }, totals),
    );
  }
  return rows;
}

async function measureTogether(processes: number): Promise<Report[]> {
  const folder = await mkdtemp(join(tmpdir(), 'drone-bench-'));
  try {
    const task = { file: join(folder, 'store.db'), forMs: MEASURED_MS };
    return await Promise.all(
      Array.from({ length: processes }, () => measure<Report>('../programs/store-sections.js', task)),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
