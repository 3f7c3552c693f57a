/**
 * The peers that are installed, in cold and warm rounds behind one real sshd, against ours. Nothing is installed. All that
 * keeps connections keeps them at the same time: with 200 drones about 10 GiB, most of it the drones' own.
 */
import { startSshd } from '../../test/support/sshd.js';
import { type Aim, type Figure, medianOf, ratios, type Row, rowOf } from '../row.js';
import type { Scale } from '../scale.js';
import type { Measured } from './in-turns.js';
import { preparePlace } from './place.js';
import { COLD, coldRounds, overMasters, warmRounds } from './rounds.js';
import { BY_HAND, MITOGEN, OURS, OURS_AGENTLESS, PSSH, type Tool, tools, XARGS } from './tools.js';

const SIZES = [20, 100, 200];
const KB_PER_MB = 1024;
const DRONES_CPU = "the whole machine's less the client's: sshd, what it starts, kernel, and whatever else ran";

export async function peers({ drones, runs = 5 }: Scale): Promise<Row[]> {
  const present = tools.filter(({ name, missing }) => {
    const why = missing();
    if (why !== undefined) console.error(`left out: ${name}: ${why}`);
    return why === undefined;
  });
  const sizes = drones === undefined ? SIZES : [drones];
  const rows: Row[] = [];
  for (const size of sizes) {
    console.error(`with ${String(size)} drones`);
    const { cold, warm } = await measureAt(size, present, runs);
    rows.push(...cold.flatMap(measured => coldRows(measured, size)));
    rows.push(...warm.flatMap(measured => warmRows(measured, size)));
    if (size === sizes.at(-1)) rows.push(...aims(cold, warm, size));
  }
  return rows;
}

async function measureAt(
  size: number,
  present: readonly Tool[],
  runs: number,
): Promise<{ cold: Measured[]; warm: Measured[] }> {
  await using sshd = await startSshd({ MaxSessions: '100', MaxStartups: '5000' }, size);
  await using place = await preparePlace(sshd, size);
  const cold = await coldRounds(present, sshd, place, runs);
  return { cold, warm: await warmRounds(present, place, runs) };
}

function coldRows({ tool, workload, memoryKb, samples }: Measured, drones: number): Row[] {
  const about = { part: 'peers', tool, drones, workload };
  return [
    rowOf(
      { ...about, figure: 'speed', unit: 'drones/s' },
      samples.map(({ wallMs }) => (drones * 1000) / wallMs),
    ),
    rowOf({ ...about, figure: 'wall', unit: 'ms/round' }, wallsOf(samples)),
    rowOf({ ...about, figure: 'client CPU', unit: 'us/drone' }, cpusOf(samples, drones)),
    rowOf(
      { ...about, figure: "drones' CPU", unit: 'us/drone', note: DRONES_CPU },
      samples.map(({ othersCpuMs = NaN }) => (othersCpuMs * 1000) / drones),
    ),
    ...memoryRows(
      { ...about, note: 'the most that its processes had together, in a run that does not count' },
      memoryKb,
    ),
  ];
}

function warmRows({ tool, workload, memoryKb, samples }: Measured, drones: number): Row[] {
  const about = { part: 'peers', tool, drones, workload: nameOf(workload) };
  const mastersUs = samples.flatMap(({ othersCpuMs }) => othersCpuMs ?? []).map(ms => (ms * 1000) / drones);
  const hasMasters = mastersUs.length > 0;
  return [
    rowOf({ ...about, figure: 'wall', unit: 'ms/round' }, wallsOf(samples)),
    rowOf(
      {
        ...about,
        figure: 'client CPU',
        unit: 'us/drone',
        ...(hasMasters && { note: "without that of the ControlMasters, see masters' CPU" }),
      },
      cpusOf(samples, drones),
    ),
    ...(hasMasters ? [rowOf({ ...about, figure: "masters' CPU", unit: 'us/drone' }, mastersUs)] : []),
    ...memoryRows({ ...about, ...(hasMasters && { note: 'with the ControlMasters' }) }, memoryKb),
  ];
}

function memoryRows(about: Omit<Figure, 'figure' | 'unit'>, memoryKb: number | undefined): Row[] {
  if (memoryKb === undefined) return [];
  return [rowOf({ ...about, figure: 'client memory', unit: 'MB' }, [memoryKb / KB_PER_MB])];
}

/** What was promised, as far as both sides were measured: ours against another's, run by run. */
function aims(cold: readonly Measured[], warm: readonly Measured[], drones: number): Row[] {
  const find = (tool: string, workload: string): Measured | undefined =>
    [...cold, ...warm].find(measured => measured.tool === tool && measured.workload === workload);
  const [fastest] = cold
    .filter(({ tool }) => tools.some(({ name, isPeer }) => isPeer && name === tool))
    .sort((a, b) => medianOf(wallsOf(a.samples)) - medianOf(wallsOf(b.samples)));
  const agentless = find(OURS_AGENTLESS, COLD);
  const noOp = find(OURS, 'no-op');
  const runTrue = find(OURS, 'run true');
  const against = (
    figure: string,
    aim: Aim,
    ours: Measured | undefined,
    other: Measured | undefined,
    ratio: (ours: Measured['samples'], other: Measured['samples']) => number[],
  ): Row[] => {
    if (ours === undefined || other === undefined) return [];
    const { tool, workload } = ours;
    const about = { part: 'peers', tool, drones, workload: nameOf(workload) };
    const what = { figure: `${figure} ${other.tool}`, unit: 'times', aim };
    return [rowOf({ ...about, ...what }, ratio(ours.samples, other.samples))];
  };
  const slower = (ours: Measured['samples'], other: Measured['samples']): number[] =>
    ratios(wallsOf(ours), wallsOf(other));
  const faster = (ours: Measured['samples'], other: Measured['samples']): number[] => slower(other, ours);
  const dearer = (ours: Measured['samples'], other: Measured['samples']): number[] =>
    ratios(cpusOf(ours, drones), cpusOf(other, drones));
  return [
    ...against('speed against the fastest peer,', { atLeast: 1 }, agentless, fastest, faster),
    ...against('client CPU against', { atMost: 0.5 }, agentless, find(XARGS, COLD), dearer),
    ...against('wall against', { below: 1 }, noOp, find(MITOGEN, 'no-op'), slower),
    ...against('wall against', { atMost: 1.25 }, noOp, find(BY_HAND, 'no-op'), slower),
    ...against('speed against', { atLeast: 3 }, runTrue, find(overMasters(PSSH), 'run true'), faster),
  ];
}

function nameOf(workload: string): string {
  return workload === COLD ? workload : `warm round, ${workload}`;
}

function wallsOf(samples: Measured['samples']): number[] {
  return samples.map(({ wallMs }) => wallMs);
}

function cpusOf(samples: Measured['samples'], drones: number): number[] {
  return samples.map(({ cpuMs }) => (cpuMs * 1000) / drones);
}
