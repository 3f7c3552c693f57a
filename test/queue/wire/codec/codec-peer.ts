/**
 * One version of Node's side of the codec, run as a program by codec-versions.test.ts:
 *
 *     node codec-peer.cjs write <file>       the encodings of all values
 *     node codec-peer.cjs read <file> ...    decodes and compares them; exit status 1 and a line for each that differs
 *     node codec-peer.cjs hostile            checks that bytes made to do harm do none
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { UnreadableValueError, decode, encode } from '../../../../src/queue/wire/codec/codec.js';
import { anything, buildGraph, graphs } from '../../../support/graphs.js';
import { UNREADABLE, mutations } from '../../../support/hostile-bytes.js';
import { VALUES, arrivalOf, assertSame } from '../../../support/values.js';

const SEED = 20;
const SAMPLES = 150;

/** What is sent, and what must arrive; made anew on each side. */
function cases(): { name: string; sent: unknown; expected: unknown }[] {
  return [
    ...VALUES.map(entry => ({ name: entry.name, sent: entry.make(), expected: arrivalOf(entry) })),
    ...fc.sample(anything, { seed: SEED, numRuns: SAMPLES }).map((sent, index) => {
      return { name: `sample ${String(index)}`, sent, expected: structuredClone(sent) };
    }),
    ...fc.sample(graphs, { seed: SEED, numRuns: SAMPLES }).map((graph, index) => {
      return { name: `graph ${String(index)}`, sent: buildGraph(graph), expected: buildGraph(graph) };
    }),
  ];
}

function write(file: string): void {
  writeFileSync(file, JSON.stringify(cases().map(({ sent }) => Buffer.from(encode(sent)).toString('base64'))));
}

function read(files: readonly string[]): string[] {
  const expectations = cases();
  return files.flatMap(file => {
    const encodings = JSON.parse(readFileSync(file, 'utf8')) as string[];
    assert.equal(encodings.length, expectations.length, `number of values in ${file}`);
    return expectations.flatMap(({ name, expected }, index) => {
      try {
        assertSame(decode(Buffer.from(encodings[index] ?? '', 'base64')), expected);
        return [];
      } catch (error) {
        return [`${file}: ${name}: ${String(error).split('\n')[0] ?? ''}`];
      }
    });
  });
}

function hostile(): string[] {
  for (const [vice, bytes] of Object.entries(UNREADABLE)) {
    assert.throws(() => decode(bytes), UnreadableValueError, vice);
  }
  const values = VALUES.map(entry => entry.make());
  for (const bytes of mutations(values, 1500, SEED)) {
    try {
      decode(bytes);
    } catch (error) {
      assert.ok(error instanceof UnreadableValueError);
    }
  }
  assert.deepEqual(Object.keys(Object.getOwnPropertyDescriptors(Object.prototype)).includes('polluted'), false);
  return [];
}

const [task, ...files] = process.argv.slice(2);
let differences: string[] = [];
if (task === 'write') write(files[0] ?? assert.fail('which file?'));
else if (task === 'read') differences = read(files);
else if (task === 'hostile') differences = hostile();
else assert.fail(`no such task: ${String(task)}`);
for (const line of differences) process.stdout.write(`${line}\n`);
process.exitCode = differences.length > 0 ? 1 : 0;
