import assert from 'node:assert/strict';
import { chmod, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { copyBetweenDrones, type DronePath, LocalDrone } from 'drone-task-queue';
import { queues } from '../contract/queues.js';
import { rejectionOf } from '../contract/rejections.js';
import { hashOf, lookAt, makeTree, Scratch } from '../contract/trees.js';
import { leakCheck } from '../support/leak-check.js';

leakCheck();

/** Two drones with an agent each. */
const one = new LocalDrone({ env: { DRONE: 'one' } });
const other = new LocalDrone({ env: { DRONE: 'other' } });

for (const make of queues) {
  test(`${make.name}: a file is copied from drone to drone, and nothing of it stays on the controller`, async () => {
    await using scratch = await Scratch.make();
    await using queue = make();
    const from = await scratch.file('from', 3_000_000);
    await chmod(from, 0o740);
    const temporaryFolder = await scratch.folder('between');
    const to = await scratch.folder('to');
    const result = await copyBetweenDrones(
      queue,
      { drone: one, path: from },
      { drone: other, path: `${to}/` },
      { temporaryFolder },
    );
    assert.deepEqual(result, { bytes: 3_000_000, files: 1, directories: 0, links: 0, leftOut: [] });
    assert.equal(await hashOf(join(to, 'from')), await hashOf(from));
    assert.equal((await stat(join(to, 'from'))).mode & 0o7777, 0o740);
    assert.deepEqual(await readdir(temporaryFolder), []);
  });

  test(`${make.name}: a folder is copied from drone to drone, found out to be one`, async () => {
    await using scratch = await Scratch.make();
    await using queue = make();
    const from = await makeTree(scratch, 'from');
    const temporaryFolder = await scratch.folder('between');
    for (const path of [from, `${from}/inner/..`]) {
      const to = { drone: other, path: scratch.of('to', String(path.length)) };
      await copyBetweenDrones(queue, { drone: one, path }, to, { temporaryFolder });
      assert.deepEqual(await lookAt(to.path), await lookAt(from));
    }
    const into = { drone: other, path: `${scratch.of('into')}/` };
    await copyBetweenDrones(queue, { drone: one, path: from }, into, { temporaryFolder });
    assert.deepEqual(await lookAt(scratch.of('into', 'from')), await lookAt(from));
    await assert.rejects(copyBetweenDrones(queue, { drone: one, path: `${from}/.` }, into, { temporaryFolder }), {
      code: 'ERR_INVALID_ARG',
    });
    assert.deepEqual(await readdir(temporaryFolder), []);
  });

  test(`${make.name}: a copy that fails on either drone rejects and leaves nothing on the controller`, async () => {
    await using scratch = await Scratch.make();
    await using queue = make();
    const temporaryFolder = await scratch.folder('between');
    const file = { drone: one, path: await scratch.file('file', 1000) };
    await scratch.folder('in/file');
    const cases: readonly [from: DronePath, to: DronePath, code: string][] = [
      [{ drone: one, path: scratch.of('missing') }, { drone: other, path: scratch.of('to') }, 'ENOENT'],
      [file, { drone: other, path: scratch.of('file', 'to') }, 'ENOTDIR'],
      [file, { drone: other, path: scratch.of('in') }, 'EISDIR'],
    ];
    for (const [from, to, code] of cases) {
      const error = await rejectionOf(copyBetweenDrones(queue, from, to, { temporaryFolder }));
      assert.equal(((error as Error).cause as NodeJS.ErrnoException).code, code);
      assert.deepEqual(await readdir(temporaryFolder), []);
    }
  });

  test(`${make.name}: a copy without sense is refused by name`, async () => {
    await using queue = make();
    const good = { drone: one, path: '/x' };
    const cases: readonly [from: unknown, to: unknown, options: unknown, message: RegExp][] = [
      [{ drone: 'web1', path: '/x' }, good, {}, /from\.drone is 'web1', expected a drone/],
      [good, { drone: one, path: '' }, {}, /to\.path is ''/],
      [
        good,
        good,
        { tolerateFailure: true },
        /unknown option 'tolerateFailure', expected one of mode, temporaryFolder/,
      ],
      [
        { drone: one, path: '/' },
        good,
        { mode: 0o600 },
        /mode is 384, expected none, because from\.path is a directory/,
      ],
    ];
    for (const [from, to, options, message] of cases) {
      const error = await rejectionOf(copyBetweenDrones(queue, from as DronePath, to as DronePath, options as object));
      assert.match(String(error), message);
    }
  });
}
