/** The parts of the bench. Each measures in fresh processes and gives its rows. */
import type { SshDroneOptions } from 'drone-task-queue';
import { startSshd } from '../test/sshd.js';
import { measure, startMemoryServer } from './process.js';
import { type Figure, ratios, type Row, rowOf } from './row.js';

/** What the command line may change, for a quick look. */
export interface Scale {
  readonly drones: number | undefined;
  readonly runs: number | undefined;
}

interface Cost {
  readonly wallUs: number;
  readonly cpuUs: number;
}

const wall = (costs: readonly Cost[]): number[] => costs.map(({ wallUs }) => wallUs);
const cpu = (costs: readonly Cost[]): number[] => costs.map(({ cpuUs }) => cpuUs);

async function queue(scale: Scale): Promise<Row[]> {
  const { drones = 200, runs = 15 } = scale;
  type Report = Record<'raw' | 'fake' | 'inThread', Cost[]>;
  const { raw, fake, inThread } = await measure<Report>('./queue-cost.js', { drones, runs });
  const about = { drones, workload: 'a round of no-ops, 2 threads', unit: 'us/drone' };
  const ratio = { ...about, unit: 'times raw piscina' };
  return [
    rowOf({ ...about, name: 'queue: raw piscina, a task per drone, wall' }, wall(raw)),
    rowOf({ ...about, name: 'queue: raw piscina, a task per drone, CPU' }, cpu(raw)),
    rowOf({ ...about, name: 'queue: FakeDrone, wall' }, wall(fake)),
    rowOf({ ...about, name: 'queue: FakeDrone, CPU' }, cpu(fake)),
    rowOf({ ...about, name: 'queue: agents played in the thread, wall' }, wall(inThread)),
    rowOf({ ...about, name: 'queue: agents played in the thread, CPU' }, cpu(inThread)),
    rowOf({ ...ratio, name: 'queue: FakeDrone against raw, wall' }, ratios(wall(fake), wall(raw))),
    rowOf({ ...ratio, name: 'queue: FakeDrone against raw, CPU' }, ratios(cpu(fake), cpu(raw))),
    rowOf({ ...ratio, name: 'queue: in the thread against raw, wall', aim: 0.6 }, ratios(wall(inThread), wall(raw))),
    rowOf({ ...ratio, name: 'queue: in the thread against raw, CPU' }, ratios(cpu(inThread), cpu(raw))),
  ];
}

async function warm(scale: Scale): Promise<Row[]> {
  const { drones = 200, runs = 15 } = scale;
  await using sshd = await startSshd({ MaxSessions: '100' });
  // More drones than addresses: the environment makes them different ones.
  const hosts = Array.from({ length: drones }, (_, at) => ({
    ...sshd.droneOptions(sshd.addresses[at % sshd.addresses.length]),
    env: { DRONE_NUMBER: String(at) },
  }));
  type Report = Record<'queue' | 'bare' | 'exec', Cost[]>;
  const report = await measure<Report>('./warm-round.js', { hosts, runs });
  const about = { drones, workload: 'a warm round of no-ops over OpenSSH' };
  const roundMs = (costs: readonly Cost[]): number[] => wall(costs).map(us => (us * drones) / 1000);
  const ways = { queue: 'ThreadedTaskQueue', bare: 'bare ssh2 loop, same agent', exec: 'ssh2 exec per call' } as const;
  return [
    ...Object.entries(ways).flatMap(([way, name]) => {
      const costs = report[way as keyof Report];
      return [
        rowOf({ ...about, name: `warm: ${name}, wall`, unit: 'ms/round' }, roundMs(costs)),
        rowOf({ ...about, name: `warm: ${name}, client CPU`, unit: 'us/drone' }, cpu(costs)),
      ];
    }),
    rowOf(
      { ...about, name: 'warm: ThreadedTaskQueue against the bare loop', unit: 'times' },
      ratios(wall(report.queue), wall(report.bare)),
    ),
    rowOf(
      { ...about, name: 'warm: ThreadedTaskQueue against exec per call', unit: 'times' },
      ratios(wall(report.queue), wall(report.exec)),
    ),
  ];
}

interface ColdReport {
  readonly wallMs: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly kbPerDrone: number;
}

/** Fresh processes, in turns; each way's reports. */
async function coldRounds<Way extends string>(
  ways: readonly Way[],
  drones: number,
  runs: number,
): Promise<Record<Way, ColdReport[]>> {
  await using server = await startMemoryServer();
  // Users make the endpoints different: the server lets in everyone.
  const hosts = Array.from({ length: drones }, (_, at): SshDroneOptions => ({
    ...server.options,
    user: `drone${String(at)}`,
  }));
  const reports = Object.fromEntries(ways.map(way => [way, [] as ColdReport[]])) as Record<Way, ColdReport[]>;
  for (let run = 0; run < runs; run++) {
    for (const way of ways) reports[way].push(await measure<ColdReport>('./cold-round.js', { way, hosts }));
  }
  return reports;
}

const COLD_WAYS = {
  threads: 'ThreadedTaskQueue, 2 threads',
  inline: 'our dispatcher without threads',
  bare: 'bare ssh2, all at once, without threads',
} as const;

async function loop(scale: Scale): Promise<Row[]> {
  const { drones = 200, runs = 5 } = scale;
  const reports = await coldRounds(Object.keys(COLD_WAYS) as (keyof typeof COLD_WAYS)[], drones, runs);
  const about = { drones, workload: 'connect cold to an in-memory server', unit: 'ms' };
  return Object.entries(COLD_WAYS).flatMap(([way, name]) => {
    const samples = reports[way as keyof typeof COLD_WAYS];
    const p99: Figure = { ...about, name: `loop: ${name}, delay p99` };
    return [
      rowOf(
        way === 'threads' ? { ...p99, aim: 10 } : p99,
        samples.map(({ p99Ms }) => p99Ms),
      ),
      rowOf(
        { ...about, name: `loop: ${name}, delay max` },
        samples.map(({ maxMs }) => maxMs),
      ),
      rowOf(
        { ...about, name: `loop: ${name}, round` },
        samples.map(({ wallMs }) => wallMs),
      ),
    ];
  });
}

async function memory(scale: Scale): Promise<Row[]> {
  const { drones = 1000, runs = 3 } = scale;
  const { threads, bare } = await coldRounds(['threads', 'bare'], drones, runs);
  const about = { drones, workload: 'warm on an in-memory server', unit: 'KB/drone' };
  return [
    rowOf(
      { ...about, name: 'memory: ThreadedTaskQueue, 2 threads included', aim: 100 },
      threads.map(({ kbPerDrone }) => kbPerDrone),
    ),
    rowOf(
      { ...about, name: 'memory: bare ssh2, without threads' },
      bare.map(({ kbPerDrone }) => kbPerDrone),
    ),
  ];
}

export const parts = { queue, warm, loop, memory } as const;
