/** The parts of the bench. Each measures in fresh processes and gives its rows. */
import type { SshDroneOptions } from 'drone-task-queue';
import { startSshd } from '../../test/support/sshd.js';
import { floor } from './floor.js';
import { growth } from './growth.js';
import { peers } from '../peers/part.js';
import { measure, startMemoryServer } from './process.js';
import { addressOf } from '../programs/program.js';
import { repos } from './repos.js';
import { ratios, type Row, rowOf } from '../row.js';
import type { Scale } from '../scale.js';
import { shards } from './shards.js';
import { store } from './store.js';
import { tenants } from './tenants.js';

interface Cost {
  readonly wallUs: number;
  readonly cpuUs: number;
}

const wall = (costs: readonly Cost[]): number[] => costs.map(({ wallUs }) => wallUs);
const cpu = (costs: readonly Cost[]): number[] => costs.map(({ cpuUs }) => cpuUs);

async function queue(scale: Scale): Promise<Row[]> {
  const { drones = 200, runs = 15 } = scale;
  type Report = Record<'raw' | 'fake' | 'inThread', Cost[]>;
  const { raw, fake, inThread } = await measure<Report>('../programs/queue-cost.js', { drones, runs });
  const about = { part: 'queue', drones, workload: 'a round of no-ops, 2 threads', unit: 'us/drone' };
  const ways = { raw: 'raw piscina, a task per drone', fake: 'FakeDrone', inThread: 'agents played in the thread' };
  const against = { ...about, unit: 'times' };
  return [
    ...Object.entries({ raw, fake, inThread }).flatMap(([way, costs]) => {
      const tool = ways[way as keyof typeof ways];
      return [
        rowOf({ ...about, tool, figure: 'wall' }, wall(costs)),
        rowOf({ ...about, tool, figure: 'CPU' }, cpu(costs)),
      ];
    }),
    rowOf({ ...against, tool: ways.fake, figure: 'wall against raw piscina' }, ratios(wall(fake), wall(raw))),
    rowOf({ ...against, tool: ways.fake, figure: 'CPU against raw piscina' }, ratios(cpu(fake), cpu(raw))),
    rowOf(
      { ...against, tool: ways.inThread, figure: 'wall against raw piscina', aim: { atMost: 0.6 } },
      ratios(wall(inThread), wall(raw)),
    ),
    rowOf({ ...against, tool: ways.inThread, figure: 'CPU against raw piscina' }, ratios(cpu(inThread), cpu(raw))),
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
  const report = await measure<Report>('../programs/warm-round.js', { hosts, runs });
  const about = { part: 'warm', drones, workload: 'a warm round of no-ops over OpenSSH' };
  const roundMs = (costs: readonly Cost[]): number[] => wall(costs).map(us => (us * drones) / 1000);
  const ways = {
    queue: 'ThreadedTaskQueue',
    bare: 'ssh2 by hand, same agent',
    exec: 'ssh2 by hand, exec per call',
  } as const;
  const against = { ...about, tool: ways.queue, unit: 'times' };
  return [
    ...Object.entries(ways).flatMap(([way, tool]) => {
      const costs = report[way as keyof Report];
      return [
        rowOf({ ...about, tool, figure: 'wall', unit: 'ms/round' }, roundMs(costs)),
        rowOf({ ...about, tool, figure: 'client CPU', unit: 'us/drone' }, cpu(costs)),
      ];
    }),
    rowOf(
      { ...against, figure: `wall against ${ways.bare}`, aim: { atMost: 1.25 } },
      ratios(wall(report.queue), wall(report.bare)),
    ),
    rowOf({ ...against, figure: `wall against ${ways.exec}` }, ratios(wall(report.queue), wall(report.exec))),
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
  const hosts = Array.from({ length: drones }, (_, at): SshDroneOptions => ({
    ...server.options,
    host: addressOf(at),
  }));
  const reports = Object.fromEntries(ways.map(way => [way, [] as ColdReport[]])) as Record<Way, ColdReport[]>;
  for (let run = 0; run < runs; run++) {
    for (const way of ways) reports[way].push(await measure<ColdReport>('../programs/cold-round.js', { way, hosts }));
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
  const about = { part: 'loop', drones, workload: 'connect cold to an in-memory server', unit: 'ms' };
  return Object.entries(COLD_WAYS).flatMap(([way, tool]) => {
    const samples = reports[way as keyof typeof COLD_WAYS];
    return [
      rowOf(
        { ...about, tool, figure: 'main loop delay p99', ...(way === 'threads' && { aim: { below: 10 } }) },
        samples.map(({ p99Ms }) => p99Ms),
      ),
      rowOf(
        { ...about, tool, figure: 'main loop delay max' },
        samples.map(({ maxMs }) => maxMs),
      ),
      rowOf(
        { ...about, tool, figure: 'wall' },
        samples.map(({ wallMs }) => wallMs),
      ),
    ];
  });
}

async function memory(scale: Scale): Promise<Row[]> {
  const { drones = 1000, runs = 3 } = scale;
  const { threads, bare } = await coldRounds(['threads', 'bare'], drones, runs);
  const about = {
    part: 'memory',
    drones,
    workload: 'warm on an in-memory server',
    figure: 'client memory',
    unit: 'KB/drone',
  };
  return [
    rowOf(
      { ...about, tool: 'ThreadedTaskQueue, 2 threads included', aim: { atMost: 100 } },
      threads.map(({ kbPerDrone }) => kbPerDrone),
    ),
    rowOf(
      { ...about, tool: 'bare ssh2, without threads' },
      bare.map(({ kbPerDrone }) => kbPerDrone),
    ),
  ];
}

export const parts = { queue, warm, loop, memory, peers, growth, floor, store, tenants, repos, shards } as const;
