/** Where the time goes that is not in a queue's hands, and where that of the client goes. */
import type { SshDroneOptions } from 'drone-task-queue';
import { newAgentStart } from '../../dist/queue/thread/agent-start.js';
import { type Command, spend, type Spent } from '../peers/one-shot.js';
import { measure, startMemoryServer } from './process.js';
import { addressOf } from '../programs/program.js';
import { type Row, rowOf } from '../row.js';
import type { Scale } from '../scale.js';

const LOOPS = 200;
const SETTINGS = {
  connectTimeoutMs: 60_000,
  killGraceMs: 2000,
  linkSilenceMs: 120_000,
  keepaliveIntervalMs: 15_000,
  keepaliveCount: 3,
  handshakeWindow: 12,
};

export async function floor(scale: Scale): Promise<Row[]> {
  return [...(await starts(scale)), ...(await stages(scale))];
}

/** What is started on a drone, here and without SSH. */
async function starts({ runs = 10 }: Scale): Promise<Row[]> {
  const spec = { transport: 'local', key: '', hostname: 'localhost' };
  const { loader, marker, input } = await newAgentStart(spec, SETTINGS);
  const ways: Record<string, Command & { readonly times?: number }> = {
    "node -e ''": { words: [process.execPath, '-e', ''] },
    'our agent, until its stdin ends': { words: [process.execPath, '-e', loader, marker], input },
    '/bin/true': {
      words: ['sh', '-c', `i=0; while [ $i -lt ${String(LOOPS)} ]; do /bin/true; i=$((i+1)); done`],
      times: LOOPS,
    },
  };
  const found = new Map<string, Spent[]>(Object.keys(ways).map(name => [name, []]));
  for (let run = -1; run < runs; run++) {
    for (const [name, command] of Object.entries(ways)) {
      const spent = await spend(command);
      if (run >= 0) found.get(name)?.push(spent);
    }
  }
  return Object.entries(ways).flatMap(([tool, { times = 1 }]) => {
    const about = { part: 'floor', tool, drones: 1, workload: 'start and end', unit: 'us' };
    const samples = found.get(tool) ?? [];
    return [
      rowOf(
        { ...about, figure: 'wall' },
        samples.map(({ wallMs }) => (wallMs * 1000) / times),
      ),
      rowOf(
        { ...about, figure: 'CPU' },
        samples.map(({ cpuMs }) => (cpuMs * 1000) / times),
      ),
    ];
  });
}

interface StageReport {
  readonly cold: Readonly<Record<string, number>>;
  readonly warm: Readonly<Record<string, number>>;
  readonly cpuUs: number;
}

/** The client's CPU by package, and what it costs to have threads. */
async function stages({ drones = 200, runs = 3 }: Scale): Promise<Row[]> {
  await using server = await startMemoryServer();
  const hosts = Array.from({ length: drones }, (_, at): SshDroneOptions => ({
    ...server.options,
    host: addressOf(at),
  }));
  const reports: StageReport[] = [];
  const threadsUs: number[] = [];
  for (let run = 0; run < runs; run++) {
    reports.push(await measure<StageReport>('../programs/profile-round.js', { hosts }));
    const { warm } = await measure<{ warm: { cpuUs: number } }>('../programs/growth-round.js', { hosts, drones });
    threadsUs.push(warm.cpuUs);
  }
  const workloads = { cold: 'connect cold, by package', warm: 'a warm round of no-ops, by package' };
  const about = { part: 'floor', tool: 'ThreadedTaskQueue, in-memory server', drones, unit: 'us/drone' };
  const inlineUs = reports.map(({ cpuUs }) => cpuUs);
  const crossing = { ...about, workload: 'a warm round of no-ops' };
  return [
    ...(['cold', 'warm'] as const).flatMap(stage => {
      const packages = new Set(reports.flatMap(report => Object.keys(report[stage])));
      return [...packages]
        .map(name =>
          rowOf(
            { ...about, tool: 'our dispatcher without threads', workload: workloads[stage], figure: name },
            reports.map(report => report[stage][name] ?? 0),
          ),
        )
        .sort((a, b) => b.median - a.median);
    }),
    rowOf({ ...crossing, tool: 'our dispatcher without threads', figure: 'client CPU' }, inlineUs),
    rowOf({ ...crossing, figure: 'client CPU' }, threadsUs),
    rowOf(
      { ...crossing, figure: 'client CPU for crossing threads', note: 'the difference of the two' },
      threadsUs.map((us, run) => us - (inlineUs[run] ?? NaN)),
    ),
  ];
}
