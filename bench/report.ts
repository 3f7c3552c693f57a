/** Rows as a table for people, and as a file for programs. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Row } from './row.js';

const RESULTS = new URL('./results.json', import.meta.url);

export function tableOf(rows: readonly Row[]): string {
  const cells = rows.map(({ name, drones, median, min, max, unit, runs, aim, met }) => [
    name,
    String(drones),
    String(median),
    `${String(min)} to ${String(max)}`,
    unit,
    String(runs),
    aim === null ? '' : `<= ${String(aim)}: ${met === true ? 'met' : 'NOT MET'}`,
  ]);
  const table = [['', 'drones', 'median', 'min to max', 'unit', 'runs', 'aim'], ...cells];
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map(line => line[column]?.length ?? 0)));
  return table
    .map(line =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Rows of parts that did not run this time stay as they were. */
export function writeResults(rows: readonly Row[]): void {
  const before = existsSync(RESULTS) ? (JSON.parse(readFileSync(RESULTS, 'utf8')) as Row[]) : [];
  const partsNow = new Set(rows.map(partOf));
  const kept = before.filter(row => !partsNow.has(partOf(row)));
  writeFileSync(RESULTS, `${JSON.stringify([...kept, ...rows], undefined, 2)}\n`);
}

const partOf = ({ name }: Row): string => name.split(':', 1)[0] ?? '';
