/** What the bench reports: one row per figure. */
import { cpus, release, totalmem, type } from 'node:os';

/** What was promised about a median. */
export type Aim = { readonly atMost: number } | { readonly atLeast: number } | { readonly below: number };

export interface Row {
  /** The part of the bench that measured it. */
  readonly part: string;
  readonly tool: string;
  readonly drones: number;
  readonly workload: string;
  /** What of the workload was measured: wall, client CPU, … */
  readonly figure: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
  /** null where nothing was promised. */
  readonly aim: Aim | null;
  readonly met: boolean | null;
  readonly machine: string;
  readonly date: string;
  /** What has to be known to read the figure right. */
  readonly note?: string;
}

const GIB = 1024 ** 3;
const machine = [
  `${String(cpus().length)} x ${cpus()[0]?.model ?? 'unknown CPU'}`,
  `${(totalmem() / GIB).toFixed(0)} GiB`,
  `${type()} ${release()}`,
  `Node ${process.version}`,
].join(', ');
const date = new Date().toISOString();

export type Figure = Pick<Row, 'part' | 'tool' | 'drones' | 'workload' | 'figure' | 'unit' | 'note'> & {
  readonly aim?: Aim;
};

export function rowOf(
  { part, tool, drones, workload, figure, unit, aim, note }: Figure,
  samples: readonly number[],
): Row {
  const median = medianOf(samples);
  return {
    part,
    tool,
    drones,
    workload,
    figure,
    unit,
    median: rounded(median),
    min: rounded(Math.min(...samples)),
    max: rounded(Math.max(...samples)),
    runs: samples.length,
    aim: aim ?? null,
    met: aim === undefined ? null : meets(median, aim),
    machine,
    date,
    ...(note !== undefined && { note }),
  };
}

/** Run by run: what was measured side by side is compared side by side. */
export function ratios(samples: readonly number[], base: readonly number[]): number[] {
  return samples.map((sample, run) => sample / (base[run] ?? NaN));
}

export function medianOf(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** `<= 1.25`, with what became of it. */
export function verdictOf({ aim, met }: Row): string {
  if (aim === null) return '';
  const bound = 'atMost' in aim ? `<= ${aim.atMost}` : 'atLeast' in aim ? `>= ${aim.atLeast}` : `< ${aim.below}`;
  return `${bound}: ${met === true ? 'met' : 'NOT MET'}`;
}

function meets(value: number, aim: Aim): boolean {
  if ('atMost' in aim) return value <= aim.atMost;
  return 'atLeast' in aim ? value >= aim.atLeast : value < aim.below;
}

function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
