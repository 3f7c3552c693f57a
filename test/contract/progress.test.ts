/** Progress of transfers, for the call that asked for it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { LocalDrone, type TransferProgress } from 'drone-task-queue';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { failureOf } from './rejections.js';
import { Scratch } from './trees.js';

leakCheck();

const MIB = 1024 * 1024;

function assertGrows(seen: readonly TransferProgress[], totalBytes: number): void {
  assert.ok(seen.length >= totalBytes / MIB - 1, String(seen.length));
  const bytes = seen.map(progress => progress.bytes);
  assert.deepEqual(
    bytes,
    bytes.toSorted((a, b) => a - b),
  );
  assert.deepEqual(seen.at(-1), { bytes: totalBytes, totalBytes });
  assert(seen.every(progress => progress.totalBytes === totalBytes));
}

for (const make of queues) {
  for (const method of ['putFile', 'getFile', 'putDirectory', 'getDirectory'] as const) {
    test(`${make.name}, ${method}: onProgress gets what has come of the total, of its own call only`, async () => {
      await using scratch = await Scratch.make();
      await using queue = make();
      const isFile = method.endsWith('File');
      const from = isFile ? await scratch.file('from', 3 * MIB + 7) : await scratch.folder('from');
      if (!isFile) {
        await scratch.folder('from/inner');
        await scratch.file('from/a', 2 * MIB);
        await scratch.file('from/inner/b', MIB + 7);
      }
      const drone = new LocalDrone();
      const seen: TransferProgress[] = [];
      drone.with({ onProgress: progress => void seen.push(progress) }).queueCall(method, from, scratch.of('to'));
      drone.queueCall(method, from, scratch.of('other'));
      await queue.execute([drone]);
      assertGrows(seen, 3 * MIB + 7);
    });
  }

  const faults: readonly (readonly [string, () => unknown])[] = [
    ['throws', () => assert.fail('no more of this')],
    ['rejects', () => Promise.reject(new Error('no more of this'))],
  ];
  for (const [what, fault] of faults) {
    test(`${make.name}: an onProgress that ${what} ends its call with callback`, async () => {
      await using scratch = await Scratch.make();
      await using queue = make();
      const drone = new LocalDrone();
      const from = await scratch.file('from', 40 * MIB);
      const call = drone.with({ onProgress: fault }).queueCall('putFile', from, scratch.of('to'));
      const failure = failureOf(await queue.settle([drone]), drone);
      assert.deepEqual([failure.kind, failure.call], ['callback', call]);
      assert.match(String(failure.cause), /no more of this/);
    });
  }

  test(`${make.name}: an onProgress that is not a function is refused`, () => {
    const onProgress = 'often' as unknown as () => void;
    assert.throws(() => new LocalDrone().with({ onProgress }), { code: 'ERR_INVALID_ARG', message: /^onProgress is/ });
  });
}
