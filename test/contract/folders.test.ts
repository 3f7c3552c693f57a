/** Whole directories to and from a drone. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { events, LocalDrone } from 'drone-task-queue';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { exceptionOf, failureOf } from './rejections.js';
import { lookAt, makeTree, Scratch } from './trees.js';
import { Witness } from './witness.js';

leakCheck();

for (const make of queues) {
  for (const method of ['putDirectory', 'getDirectory'] as const) {
    const name = `${make.name}, ${method}`;

    test(`${name}: a folder arrives with links, modes, times, empty folders and odd names`, async () => {
      await using scratch = await Scratch.make();
      await using queue = make();
      const from = await makeTree(scratch, 'from');
      await chmod(from, 0o750);
      const drone = new LocalDrone();
      const call = drone.queueCall(method, `${from}/`, scratch.of('new', 'to'));
      const { bytes, ...counts } = call.valueIn(await queue.execute([drone]));
      assert.deepEqual(await lookAt(scratch.of('new', 'to')), await lookAt(from));
      assert.equal((await stat(scratch.of('new', 'to'))).mode & 0o7777, 0o750);
      assert.deepEqual(counts, { files: 7, directories: 5, links: 3, leftOut: [] });
      assert.equal(bytes, 8 + 10 + 300_000 + 4 + 4 + 8);
    });

    test(`${name}: a slash at the end takes the folder in under its own name, each time the same one`, async () => {
      await using scratch = await Scratch.make();
      await using queue = make();
      const from = await makeTree(scratch, 'from');
      const drone = new LocalDrone();
      drone.queueCall(method, from, `${scratch.of('new')}/`);
      await queue.execute([drone]);
      assert.deepEqual(await lookAt(scratch.of('new', 'from')), await lookAt(from));
      drone.queueCall(method, `${from}/`, `${scratch.of('new')}/`);
      await queue.execute([drone]);
      assert.deepEqual(await readdir(scratch.of('new')), ['from']);
      drone.queueCall(method, `${from}/.`, `${scratch.of('other')}/`);
      const { cause } = failureOf(await queue.settle([drone]), drone);
      assert.match(String(cause), /expected no slash at the end, because the source has no name for the copy/);
    });

    test(`${name}: what is in the destination stays, with its mode, and files of the same name are replaced`, async () => {
      await using scratch = await Scratch.make();
      await using queue = make();
      const from = await makeTree(scratch, 'from');
      const to = await scratch.folder('to');
      await mkdir(join(to, 'inner'), { mode: 0o700 });
      await writeFile(join(to, 'inner', 'own'), 'stays');
      await writeFile(join(to, 'file'), 'goes');
      await writeFile(join(to, 'link'), 'goes, too');
      await symlink(join(to, 'inner', 'own'), join(to, 'nothing'));
      const drone = new LocalDrone();
      await queue.call(drone, method, from, to);
      const found = await lookAt(to);
      const { '/inner/own': own, '/inner': inner, ...rest } = found;
      const { '/inner': _, ...expected } = await lookAt(from);
      assert.deepEqual(rest, expected);
      assert.match(String(inner), /^700 /);
      assert.ok(own !== undefined);
      assert.equal(await readFile(join(to, 'inner', 'own'), 'utf8'), 'stays');
      assert.equal((await queue.call(drone, method, from, to)).files, 7);
    });

    test(`${name}: a link in a folder's place is not followed`, async () => {
      await using scratch = await Scratch.make();
      await using queue = make();
      const from = await makeTree(scratch, 'from');
      const to = await scratch.folder('to');
      const outside = await scratch.folder('outside');
      await symlink(outside, join(to, 'inner'));
      const drone = new LocalDrone();
      drone.queueCall(method, from, to);
      const { kind, cause } = failureOf(await exceptionOf(queue.execute([drone])), drone);
      assert.deepEqual([kind, (cause as NodeJS.ErrnoException).code], ['call', 'ENOTDIR']);
      assert.match(String(cause), /inner" is in the way: it is not a directory/);
      assert.deepEqual(await readdir(outside), []);
    });

    test(`${name}: sockets, pipes and devices are left out, with a warning and by name`, async () => {
      using warnings = new Witness(events.droneWarning);
      await using scratch = await Scratch.make();
      await using queue = make();
      const from = await scratch.folder('from');
      execFileSync('mkfifo', [join(from, 'pipe')]);
      await writeFile(join(from, 'file'), '');
      const { leftOut, files } = await queue.call(new LocalDrone(), method, from, scratch.of('to'));
      assert.deepEqual([leftOut, files], [[join(from, 'pipe')], 1]);
      assert.deepEqual(await readdir(scratch.of('to')), ['file']);
      assert.match(
        (await warnings.first()).message,
        /omitted because they are not files, directories or links: .*\/pipe$/,
      );
    });

    test(`${name}: an abort under way leaves whole files only`, async () => {
      using progress = new Witness(events.fileProgress);
      await using scratch = await Scratch.make();
      await using queue = make();
      const from = await scratch.folder('from');
      await mkdir(join(from, 'a'));
      await writeFile(join(from, 'a', 'small'), 'whole');
      await mkdir(join(from, 'b'));
      for (const folder of ['a', 'b']) await scratch.hole(`from/${folder}/endless`);
      const stop = new AbortController();
      const drone = new LocalDrone();
      const call = drone.with({ signal: stop.signal }).queueCall(method, from, scratch.of('to'));
      const round = exceptionOf(queue.execute([drone]));
      const { totalBytes } = await progress.first(message => message.call === call);
      assert.equal(totalBytes, undefined);
      stop.abort();
      assert.equal(failureOf(await round, drone).kind, 'cancelled');
      for (const [path, what] of Object.entries(await lookAt(scratch.of('to')))) {
        assert.ok(path === '/a/small' || what.endsWith('folder'), path);
      }
    });

    test(`${name}: a file is not a directory, and mode not an option`, async () => {
      await using scratch = await Scratch.make();
      await using queue = make();
      const file = await scratch.file('file', 1);
      const drone = new LocalDrone();
      drone.queueCall(method, file, scratch.of('to'));
      const { cause } = failureOf(await exceptionOf(queue.execute([drone])), drone);
      assert.equal((cause as NodeJS.ErrnoException).code, 'ENOTDIR');
      drone.queueCall(method, file, scratch.of('to'), { mode: 0o600 } as object);
      assert.match(
        String(failureOf(await exceptionOf(queue.execute([drone])), drone).cause),
        /unknown option '\w+\.mode', expected one of tolerateFailure/,
      );
      const value = await queue.call(drone, method, file, scratch.of('in', 'to'), { tolerateFailure: true });
      assert.equal(value.failure?.code, 'ENOTDIR');
      assert.deepEqual(await readdir(scratch.of('in')), ['to.transfer_failed']);
    });
  }
}
