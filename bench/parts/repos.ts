/** The part that measures the executor's repositories: updates and merges with one lock for all, and with a lock for each. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measure } from './process.js';
import { ratios, type Row, rowOf } from '../row.js';
import type { Scale } from '../scale.js';

const MEASURED_MS = 3_000;
const REPOSITORIES = 6;

interface Report {
  readonly updatesPerSecond: number;
  readonly mergesPerSecond: number;
}

const LOCKS = { single: 'one lock for all', each: 'a lock for each repository' } as const;

export async function repos({ runs = 3 }: Scale): Promise<Row[]> {
  const reports = { single: [] as Report[], each: [] as Report[] };
  for (let run = 0; run < runs; run++) {
    const folder = await mkdtemp(join(tmpdir(), 'drone-bench-'));
    try {
      const task = { folder, repositories: REPOSITORIES, forMs: MEASURED_MS };
      const found = await measure<Record<keyof typeof LOCKS, Report>>('../programs/repo-updates.js', task);
      for (const lock of ['single', 'each'] as const) reports[lock].push(found[lock]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  const workload = `${String(REPOSITORIES)} repositories on this disk, each updated and merged in over and over`;
  const about = { part: 'repos', drones: 0, workload };
  const perSecond = (lock: keyof typeof LOCKS): number[] =>
    reports[lock].map(({ updatesPerSecond, mergesPerSecond }) => updatesPerSecond + mergesPerSecond);
  return [
    ...(['single', 'each'] as const).flatMap(lock => {
      const tool = `RepoCache, ${LOCKS[lock]}`;
      return [
        rowOf(
          { ...about, tool, figure: 'updates', unit: '1/s' },
          reports[lock].map(({ updatesPerSecond }) => updatesPerSecond),
        ),
        rowOf(
          { ...about, tool, figure: 'merges', unit: '1/s' },
          reports[lock].map(({ mergesPerSecond }) => mergesPerSecond),
        ),
      ];
    }),
    rowOf(
      {
        ...about,
        tool: `RepoCache, ${LOCKS.each}`,
        figure: `updates and merges against ${LOCKS.single}`,
        unit: 'times',
      },
      ratios(perSecond('each'), perSecond('single')),
    ),
  ];
}
