/** `npm run bench [-- queue|warm|loop|memory …] [--drones n] [--runs n]`: prints a table, writes bench/results.json. */
import { parseArgs } from 'node:util';
import { parts } from './parts.js';
import { tableOf, writeResults } from './report.js';
import type { Row } from './row.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { drones: { type: 'string' }, runs: { type: 'string' } },
});
const names = Object.keys(parts) as (keyof typeof parts)[];
const unknown = positionals.find(name => !(names as string[]).includes(name));
if (unknown !== undefined) throw new Error(`no part '${unknown}'; there are ${names.join(', ')}`);
const scale = { drones: countOf('drones'), runs: countOf('runs') };

const rows: Row[] = [];
for (const name of names) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  console.error(`measuring: ${name}`);
  rows.push(...(await parts[name](scale)));
}
console.log(tableOf(rows));
// A quick look is no result.
if (scale.drones === undefined && scale.runs === undefined) writeResults(rows);

function countOf(option: 'drones' | 'runs'): number | undefined {
  const text = values[option];
  if (text === undefined) return undefined;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1)
    throw new Error(`--${option}: expected a whole number above 0, got '${text}'`);
  return count;
}
