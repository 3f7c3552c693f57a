/** What the bench reports: one row per figure. */
import { cpus, release, totalmem, type } from 'node:os';

export interface Row {
  readonly name: string;
  readonly drones: number;
  readonly workload: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
  readonly unit: string;
  /** What the median should not exceed; null where nothing was promised. */
  readonly aim: number | null;
  readonly met: boolean | null;
  readonly machine: string;
  readonly date: string;
}

const GIB = 1024 ** 3;
const machine = [
  `${String(cpus().length)} x ${cpus()[0]?.model ?? 'unknown CPU'}`,
  `${(totalmem() / GIB).toFixed(0)} GiB`,
  `${type()} ${release()}`,
  `Node ${process.version}`,
].join(', ');
const date = new Date().toISOString();

export interface Figure {
  readonly name: string;
  readonly drones: number;
  readonly workload: string;
  readonly unit: string;
  readonly aim?: number;
}

export function rowOf({ aim, ...figure }: Figure, samples: readonly number[]): Row {
  const median = medianOf(samples);
  return {
    ...figure,
    median: rounded(median),
    min: rounded(Math.min(...samples)),
    max: rounded(Math.max(...samples)),
    runs: samples.length,
    aim: aim ?? null,
    met: aim === undefined ? null : median <= aim,
    machine,
    date,
  };
}

/** Run by run: what was measured side by side is compared side by side. */
export function ratios(samples: readonly number[], base: readonly number[]): number[] {
  return samples.map((sample, run) => sample / (base[run] ?? NaN));
}

function medianOf(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
