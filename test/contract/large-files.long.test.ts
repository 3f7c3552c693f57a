/** What a large file costs. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { LocalDrone } from 'drone-task-queue';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { Scratch } from './trees.js';

leakCheck();

const MIB = 1024 * 1024;

for (const make of queues) {
  test(`${make.name}: 256 MiB there and back take neither side much memory`, async () => {
    await using scratch = await Scratch.make();
    await using queue = make();
    const drone = new LocalDrone();
    const bytes = 256 * MIB;
    const from = await scratch.hole('from', bytes);
    const small = await scratch.file('small', 20 * MIB);
    const agentPeak = async (): Promise<number> =>
      peakIn((await queue.call(drone, 'run', 'cat /proc/$PPID/status')).stdout);
    const ownPeak = async (): Promise<number> => peakIn(await readFile('/proc/self/status', 'utf8'));
    // What a transfer takes by itself, whatever the size.
    await queue.call(drone, 'putFile', small, scratch.of('to'));
    await queue.call(drone, 'getFile', small, scratch.of('back'));
    const before = [await agentPeak(), await ownPeak()];
    assert.equal((await queue.call(drone, 'putFile', from, scratch.of('to'))).bytes, bytes);
    assert.equal((await queue.call(drone, 'getFile', from, scratch.of('back'))).bytes, bytes);
    const after = [await agentPeak(), await ownPeak()];
    for (const [at, peak] of after.entries()) {
      const grown = peak - before[at]!;

      assert.ok(grown < 100, `${at === 0 ? 'the agent' : 'the controller'} grew by ${grown.toFixed(1)} MiB`);
    }
  });
}

/** Most memory that the process has had so far, MiB. */
function peakIn(status: string): number {
  return Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1]) / 1024;
}
