/** Rows as a table for people, and as a file for programs. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type Row, verdictOf } from './row.js';

const RESULTS = new URL('./results.json', import.meta.url);
const HEAD = ['', 'tool', 'workload', 'figure', 'drones', 'median', 'min to max', 'unit', 'runs', 'aim'];

export function tableOf(rows: readonly Row[]): string {
  const cells = rows.map(row => [
    row.part,
    row.tool,
    row.workload,
    row.figure,
    String(row.drones),
    String(row.median),
    `${String(row.min)} to ${String(row.max)}`,
    row.unit,
    String(row.runs),
    verdictOf(row),
  ]);
  const table = [HEAD, ...cells];
  const widths = HEAD.map((_, column) => Math.max(...table.map(line => line[column]?.length ?? 0)));
  return table
    .map(line =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function readResults(): Row[] {
  return existsSync(RESULTS) ? (JSON.parse(readFileSync(RESULTS, 'utf8')) as Row[]) : [];
}

/** Replaces the rows of one part; those of the others stay as they were. */
export function writeResults(partNow: string, rows: readonly Row[]): void {
  const kept = readResults().filter(({ part }) => part !== partNow);
  writeFileSync(RESULTS, `${JSON.stringify([...kept, ...rows], undefined, 2)}\n`);
}
