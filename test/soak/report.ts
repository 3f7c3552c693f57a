/** The closing table. */
import type { Tally } from './tally.js';

export interface SoakReport {
  readonly minutes: number;
  readonly seed: number;
  readonly tally: Tally;
  /** At most in the first third, and at the end. */
  readonly warmMb: number;
  readonly atEndMb: number;
  /** Of the calls that breaches are about. */
  readonly stories: readonly string[];
  readonly leftOver: readonly string[];
  readonly tookMs: number;
}

export function printReport({ minutes, seed, tally, warmMb, atEndMb, stories, leftOver, tookMs }: SoakReport): void {
  const { breaches } = tally;
  for (const { what } of breaches) console.log(`BREACH ${what}`);
  for (const story of stories) console.log(story);
  for (const left of leftOver) console.log(`LEFT OVER ${left}`);
  const rows: readonly [string, string][] = [
    ['seed', String(seed)],
    ['minutes of faults', `${String(minutes)} (${(tookMs / 1000).toFixed(0)} s in all)`],
    ['rounds', tally.line('rounds')],
    ['batches', tally.line('batches')],
    ['calls, told', tally.line('told')],
    ['calls beside rounds', tally.line('told beside')],
    ['kills', tally.line('kills')],
    ['starts in ledgers', tally.line('ledger')],
    ['faults', `${String(tally.total('faults'))}: ${tally.line('faults')}`],
    ['memory', `${warmMb.toFixed(0)} MB at most in the first third, ${atEndMb.toFixed(0)} MB at the end`],
    ['breaches', String(breaches.length)],
    ['left over', String(leftOver.length)],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  console.log(`\n${rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')}`);
}
