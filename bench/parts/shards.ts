/** The part that measures shards: the master's side of their heartbeats, by what a shard has. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measure } from './process.js';
import { type Row, rowOf } from '../row.js';
import type { Scale } from '../scale.js';

/** In all 50 shards, 2,000 hosts and 20,000 jobs that are not complete. */
const SIZES = [
  { shards: 40, hosts: 20, jobs: 200 },
  { shards: 8, hosts: 100, jobs: 1_000 },
  { shards: 2, hosts: 200, jobs: 2_000 },
] as const;

interface Cost {
  readonly ms: number;
  readonly requestKb: number;
  readonly replyKb: number;
}

interface ShardReport {
  readonly hosts: number;
  readonly jobs: number;
  /** Of a shard that knows nothing: up to 1,000 jobs. */
  readonly first: Cost;
  /** Of one that has all, and nothing to tell. */
  readonly idle: Cost;
  /** Of one that uploads 100 jobs. */
  readonly upload: Cost;
}

interface Report {
  readonly createMs: number;
  readonly reports: readonly ShardReport[];
}

const HEARTBEATS = { first: 'first heartbeat', idle: 'with nothing new', upload: 'with 100 finished jobs' } as const;
const UNITS = { ms: 'ms', requestKb: 'KB sent', replyKb: 'KB replied' } as const;

export async function shards({ runs = 1 }: Scale): Promise<Row[]> {
  const reports: Report[] = [];
  for (let run = 0; run < runs; run++) reports.push(await measureFarm());
  const about = { part: 'shards', drones: 0, tool: 'ShardMaster', note: '50 shards, 2,000 hosts, 20,000 open jobs' };
  const rows = SIZES.flatMap(({ hosts, jobs }) => {
    const workload = `a shard of ${String(hosts)} hosts and ${String(jobs)} jobs`;
    const ofSize = reports.flatMap(each => each.reports).filter(report => report.hosts === hosts);
    return Object.entries(HEARTBEATS).flatMap(([heartbeat, what]) =>
      Object.entries(UNITS).map(([cost, unit]) => {
        const samples = ofSize.map(report => report[heartbeat as keyof typeof HEARTBEATS][cost as keyof Cost]);
        return rowOf({ ...about, workload, figure: what, unit }, samples);
      }),
    );
  });
  const created = reports.map(({ createMs }) => createMs);
  return [...rows, rowOf({ ...about, workload: 'the farm is made', figure: 'wall', unit: 'ms' }, created)];
}

async function measureFarm(): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), 'drone-bench-'));
  try {
    return await measure<Report>('../programs/shard-heartbeats.js', { file: join(folder, 'store.db'), sizes: SIZES });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
