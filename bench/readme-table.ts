/** The README's tables on speed, from bench/results.json. */
import { readFileSync, writeFileSync } from 'node:fs';
import { type Row, verdictOf } from './row.js';

const README = new URL('../README.md', import.meta.url);
const BEGIN = '<!-- bench: npm run bench -- table -->';
const END = '<!-- bench: end -->';
/** The parts that compare tools; the rest is in the file. */
const COMPARISONS = ['peers', 'growth'];
const SPEED = 'wall';
/** Told for the most drones only. */
const COSTS = ['client CPU', 'client memory'];

/** Puts them between their two markers, and gives them. */
export function writeReadmeTable(rows: readonly Row[]): string {
  const text = readFileSync(README, 'utf8');
  const from = text.indexOf(BEGIN);
  const to = text.indexOf(END);
  if (from < 0 || to < from) throw new Error(`README.md: expected '${BEGIN}' and, after it, '${END}'`);
  const tables = [...COMPARISONS.flatMap(part => comparisons(part, rows)), ...aims(rows)].join('\n\n');
  writeFileSync(README, `${text.slice(0, from)}${BEGIN}\n\n${tables}\n\n${text.slice(to)}`);
  return tables;
}

/** A table per workload: a line per tool, the fastest first; medians. */
function comparisons(part: string, rows: readonly Row[]): string[] {
  const chosen = rows.filter(row => row.part === part && [SPEED, ...COSTS].includes(row.figure));
  const workloads = [...new Set(chosen.map(({ workload }) => workload))];
  const tables = workloads.map(workload => comparison(workload, chosen));
  return tables.length === 0 ? [] : [madeOf(chosen), ...tables];
}

function comparison(workload: string, chosen: readonly Row[]): string {
  const rows = chosen.filter(row => row.workload === workload);
  const sizes = [...new Set(rows.map(({ drones }) => drones))].sort((a, b) => a - b);
  const most = sizes.at(-1) ?? 0;
  const columns = [
    ...sizes.map(drones => ({ figure: SPEED, drones })),
    ...COSTS.map(figure => ({ figure, drones: most })),
  ]
    .map(column => rows.filter(({ figure, drones }) => figure === column.figure && drones === column.drones))
    .filter(column => column.length > 0);
  const heads = columns.map(([row]) => (row ? `${row.figure}, ${row.unit}, ${String(row.drones)} drones` : ''));
  const speedOf = (tool: string): number =>
    rows.find(row => row.tool === tool && row.figure === SPEED && row.drones === most)?.median ?? Infinity;
  const tools = [...new Set(rows.map(({ tool }) => tool))].sort((a, b) => speedOf(a) - speedOf(b));
  const body = tools.map(tool =>
    cellsOf(tool, ...columns.map(column => column.find(row => row.tool === tool)?.median ?? '')),
  );
  return `**${workload}**\n\n${tableOf(['', ...heads], body)}`;
}

/** What was promised, and what came of it. */
function aims(rows: readonly Row[]): string[] {
  const chosen = rows.filter(({ aim }) => aim !== null);
  const body = chosen.map(row =>
    cellsOf(row.tool, row.workload, row.figure, row.drones, `${String(row.median)} ${row.unit}`, verdictOf(row)),
  );
  return body.length === 0
    ? []
    : [madeOf(chosen), tableOf(['tool', 'workload', 'figure', 'drones', 'median', 'aim'], body)];
}

function madeOf(rows: readonly Row[]): string {
  const places = new Set(rows.map(({ machine, date }) => `${date.slice(0, 10)}, ${machine}`));
  const [most, least] = [Math.max, Math.min].map(bound => bound(...rows.map(({ runs }) => runs)));
  return `Medians of ${String(least)} to ${String(most)} runs. ${[...places].join('; ')}.`;
}

function tableOf(heads: readonly string[], body: readonly string[]): string {
  return [cellsOf(...heads), cellsOf(...heads.map(() => '---')), ...body].join('\n');
}

function cellsOf(...cells: readonly (string | number)[]): string {
  return `| ${cells.join(' | ')} |`;
}
