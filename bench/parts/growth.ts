/** From 20 drones to 5,000: time and memory per drone stay what they are, or something in us is worse than linear. */
import { readFileSync } from 'node:fs';
import { type MemoryServer, measure, startMemoryServer } from './process.js';
import { type Aim, ratios, type Row, rowOf } from '../row.js';
import type { Scale } from '../scale.js';

interface Cost {
  readonly wallUs: number;
  readonly cpuUs: number;
}

interface Report {
  readonly cold: Cost;
  readonly warm: Cost;
  readonly kbPerDrone: number;
}

const SIZES = [20, 200, 1000, 5000];
/** Between the two that are compared: below, what a round costs by itself is in the figures. */
const FROM = 200;
const FLAT: Aim = { atMost: 1.25 };
/** A quick look compares with so many times fewer. */
const QUICK_FACTOR = 5;
/** A server process serves no more, so that its own growth is not in the figures, nor the ephemeral ports run out. */
const DRONES_PER_SERVER = 1000;
const SPARE_FILES = 200;

const FIGURES = {
  coldWall: { workload: 'connect cold', figure: 'wall', unit: 'us/drone', of: ({ cold }: Report) => cold.wallUs },
  coldCpu: { workload: 'connect cold', figure: 'client CPU', unit: 'us/drone', of: ({ cold }: Report) => cold.cpuUs },
  wall: { workload: 'a warm round of no-ops', figure: 'wall', unit: 'us/drone', of: ({ warm }: Report) => warm.wallUs },
  cpu: {
    workload: 'a warm round of no-ops',
    figure: 'client CPU',
    unit: 'us/drone',
    of: ({ warm }: Report) => warm.cpuUs,
  },
  memory: {
    workload: 'a warm round of no-ops',
    figure: 'client memory',
    unit: 'KB/drone',
    of: ({ kbPerDrone }: Report) => kbPerDrone,
  },
} as const;
const WAYS = {
  ssh: { tool: 'ThreadedTaskQueue, in-memory server', figures: Object.values(FIGURES) },
  // Nothing is connected here, and the drones' own memory is that of the fakes.
  fake: { tool: 'ThreadedTaskQueue, FakeDrones', figures: [FIGURES.wall, FIGURES.cpu] },
} as const;
type Way = keyof typeof WAYS;

export async function growth({ drones, runs = 3 }: Scale): Promise<Row[]> {
  const wanted = drones === undefined ? SIZES : [Math.ceil(drones / QUICK_FACTOR), drones];
  const sizes = wanted.filter(hasFilesFor);
  const from = drones === undefined ? FROM : wanted[0];
  const servers = await Promise.all(
    Array.from({ length: Math.ceil(Math.max(...sizes) / DRONES_PER_SERVER) }, startMemoryServer),
  );
  try {
    const reports = await measureAll(sizes, servers, runs);
    return (Object.keys(WAYS) as Way[]).flatMap(way => {
      const { tool, figures } = WAYS[way];
      return figures.flatMap(({ of, ...figure }) => {
        const about = { part: 'growth', tool, ...figure };
        const samples = (size: number | undefined): number[] => (reports[way].get(size ?? 0) ?? []).map(of);
        const most = sizes.at(-1);
        const ratio = `${figure.figure} per drone against ${String(from)} drones`;
        return [
          ...sizes.map(size => rowOf({ ...about, drones: size }, samples(size))),
          ...(most !== undefined && most === wanted.at(-1)
            ? [
                rowOf(
                  { ...about, drones: most, figure: ratio, unit: 'times', aim: FLAT },
                  ratios(samples(most), samples(from)),
                ),
              ]
            : []),
        ];
      });
    });
  } finally {
    for (const server of servers) await server[Symbol.asyncDispose]();
  }
}

/** Sizes in turns, each in a fresh process. */
async function measureAll(
  sizes: readonly number[],
  servers: readonly MemoryServer[],
  runs: number,
): Promise<Record<Way, Map<number, Report[]>>> {
  const reports = { ssh: new Map<number, Report[]>(), fake: new Map<number, Report[]>() };
  for (let run = 0; run < runs; run++) {
    for (const drones of sizes) {
      for (const way of Object.keys(WAYS) as Way[]) {
        const hosts = way === 'ssh' ? servers.map(({ options }) => options) : [];
        const report = await measure<Report>('../programs/growth-round.js', { hosts, drones });
        reports[way].set(drones, [...(reports[way].get(drones) ?? []), report]);
      }
    }
  }
  return reports;
}

/** Node has raised its own limit as far as it may, and so will its children. Each process is one end of each connection. */
function hasFilesFor(drones: number): boolean {
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  const needed = drones + SPARE_FILES;
  if (limit === undefined || Number(limit) >= needed) return true;
  console.error(`left out: ${String(drones)} drones need ${String(needed)} open files, ulimit -Hn allows ${limit}`);
  return false;
}
