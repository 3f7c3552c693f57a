/**
 * `npm run bench [-- part …] [--drones n] [--runs n]`: prints a table, and replaces the rows of these parts (all, unless
 * some are named) in bench/results.json. `npm run docs` writes docs/benchmarks.md and the README's table from that file.
 */
import { parseArgs } from 'node:util';
import { parts } from './parts/all.js';
import { tableOf, writeResults } from './report.js';
import type { Row } from './row.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { drones: { type: 'string' }, runs: { type: 'string' } },
});
const names = Object.keys(parts) as (keyof typeof parts)[];
const unknown = positionals.find(name => !(names as string[]).includes(name));
if (unknown !== undefined) throw new Error(`unknown part '${unknown}'; expected ${names.join(', ')}`);
const scale = { drones: countOf('drones'), runs: countOf('runs') };
const wanted = names.filter(name => positionals.length === 0 || positionals.includes(name));

// A quick look is not a result.
const counts = scale.drones === undefined && scale.runs === undefined;
const rows: Row[] = [];
for (const name of wanted) {
  console.error(`measuring: ${name}`);
  const found = await parts[name](scale);
  rows.push(...found);
  if (counts) writeResults(name, found);
}
if (rows.length > 0) console.log(tableOf(rows));

function countOf(option: 'drones' | 'runs'): number | undefined {
  const text = values[option];
  if (text === undefined) return undefined;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1)
    throw new Error(`--${option}: expected a whole number above 0, got '${text}'`);
  return count;
}
