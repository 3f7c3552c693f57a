/** Single files to and from a drone, as calls like any other. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Call, events, type FileTransferResult, LocalDrone } from 'drone-task-queue';
import { FakeDrone } from 'drone-task-queue/testing';
import { isRunning } from '../support/processes-left.js';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { exceptionOf, failureOf } from './rejections.js';
import { hashOf, LONG_AGO, Scratch } from './trees.js';
import { Witness } from './witness.js';

leakCheck();

const MIB = 1024 * 1024;
const POLL_MS = 5;

/** Both directions: `copy` queues the transfer of `from` to `to` on this machine, where both sides are the same. */
const DIRECTIONS: readonly {
  method: 'putFile' | 'getFile';
  reader: 'controller' | 'drone';
  writer: 'controller' | 'drone';
}[] = [
  { method: 'putFile', reader: 'controller', writer: 'drone' },
  { method: 'getFile', reader: 'drone', writer: 'controller' },
];

for (const make of queues) {
  test(`${make.name}: files travel in order with the other calls of their batch`, async () => {
    await using scratch = await Scratch.make();
    await using queue = make();
    const drone = new LocalDrone();
    const [first, second, there, back] = ['first', 'second', 'there', 'back'].map(name => scratch.of(name));
    await writeFile(first!, 'one');
    await writeFile(second!, 'two');
    drone.queueCall('putFile', first!, there!);
    const one = drone.queueCall('run', `cat ${there!}; echo changed >> ${there!}`);
    const got = drone.queueCall('getFile', there!, back!);
    drone.queueCall('putFile', second!, there!);
    const two = drone.queueCall('run', `cat ${there!}`);
    const results = await queue.execute([drone]);
    assert.deepEqual(
      [one, two].map(call => call.valueIn(results).stdout),
      ['one', 'two'],
    );
    assert.deepEqual(got.valueIn(results), { bytes: 11, files: 1, directories: 0, links: 0, leftOut: [] });
    assert.equal(await readFile(back!, 'utf8'), 'onechanged\n');
  });

  for (const { method, reader, writer } of DIRECTIONS) {
    const name = `${make.name}, ${method}`;

    test(`${name}: contents, mode and time are kept, and parent folders made`, async () => {
      await using scratch = await Scratch.make();
      await using queue = make();
      const drone = new LocalDrone();
      const sizes = [0, 1, 128 * 1024, 5 * MIB + 1];
      const calls: Call<FileTransferResult>[] = [];
      for (const size of sizes) {
        const from = await scratch.file(String(size), size);
        await chmod(from, 0o754);
        await utimes(from, LONG_AGO, LONG_AGO);
        calls.push(drone.queueCall(method, from, scratch.of('a', 'b', String(size))));
      }
      drone.queueCall(method, scratch.of('1'), scratch.of('private'), { mode: 0o600 });
      const results = await queue.execute([drone]);
      for (const [at, size] of sizes.entries()) {
        const to = scratch.of('a', 'b', String(size));
        assert.equal(await hashOf(to), await hashOf(scratch.of(String(size))));
        const { mode, mtime } = await stat(to);
        assert.deepEqual([mode & 0o7777, mtime], [0o754, LONG_AGO]);
        assert.deepEqual(calls[at]!.valueIn(results), { bytes: size, files: 1, directories: 0, links: 0, leftOut: [] });
      }
      assert.equal((await stat(scratch.of('private'))).mode & 0o7777, 0o600);
    });

    test(`${name}: a slash at the end takes the file in under its own name, a folder is refused, a link replaced`, async () => {
      await using scratch = await Scratch.make();
      await using queue = make();
      const drone = new LocalDrone();
      const from = await scratch.file('name', 10);
      const other = await scratch.file('other', 20);
      const folder = await scratch.folder('folder');
      await symlink('folder', scratch.of('to-folder'));
      await symlink(other, scratch.of('to-file'));
      drone.queueCall(method, from, `${folder}/`);
      drone.queueCall(method, from, `${scratch.of('new')}/`);
      drone.queueCall(method, other, `${scratch.of('to-folder')}/`);
      drone.queueCall(method, from, scratch.of('to-file'));
      await queue.execute([drone]);
      assert.deepEqual((await readdir(folder)).sort(), ['name', 'other']);
      assert.deepEqual(await readdir(scratch.of('new')), ['name']);
      assert.equal(await hashOf(scratch.of('to-file')), await hashOf(from));
      assert.equal((await stat(other)).size, 20);
      for (const to of [folder, scratch.of('to-folder')]) {
        drone.queueCall(method, from, to);
        const { cause } = failureOf(await queue.settle([drone]), drone);
        assert.equal((cause as NodeJS.ErrnoException).code, 'EISDIR');
        assert.match(String(cause), /is a directory; to copy into it, end the path with a slash$/);
      }
      assert.deepEqual((await readdir(folder)).sort(), ['name', 'other']);
    });

    test(`${name}: a reader sees the old file or the new one, never a part`, async () => {
      await using scratch = await Scratch.make();
      await using queue = make();
      const drone = new LocalDrone();
      const from = await scratch.file('from', 20 * MIB);
      await writeFile(scratch.of('to'), 'old');
      const round = queue.call(drone, method, from, scratch.of('to'));
      let isOver = false;
      const over = round.finally(() => {
        isOver = true;
      });
      while (!isOver) {
        const { size } = await stat(scratch.of('to'));
        assert.ok(size === 3 || size === 20 * MIB, String(size));
      }
      await over;
      assert.equal(await hashOf(scratch.of('to')), await hashOf(from));
    });

    test(`${name}: a transfer that is aborted under way leaves nothing but the old file`, async () => {
      using progress = new Witness(events.fileProgress);
      await using scratch = await Scratch.make();
      await using queue = make();
      const drone = new LocalDrone();
      await scratch.folder('in');
      await writeFile(scratch.of('in', 'to'), 'old');
      const stop = new AbortController();
      const call = drone
        .with({ signal: stop.signal })
        .queueCall(method, await scratch.hole('endless'), scratch.of('in', 'to'));
      const behind = drone.queueCall('run', 'true');
      const round = queue.execute([drone]);
      const { bytes, totalBytes } = await progress.first(message => message.call === call);
      assert.ok(bytes >= MIB && totalBytes === 2 ** 40);
      while (!(await readdir(scratch.of('in'))).some(name => name.endsWith('.part'))) await delay(POLL_MS);
      stop.abort();
      const failure = failureOf(await exceptionOf(round), drone);
      assert.deepEqual([failure.kind, failure.call, failure.notStarted], ['cancelled', call, [behind]]);
      assert.deepEqual(await readdir(scratch.of('in')), ['to']);
      assert.equal(await readFile(scratch.of('in', 'to'), 'utf8'), 'old');
      drone.clearCallQueue();
      assert.equal((await queue.call(drone, 'run', 'echo well')).stdout, 'well\n');
    });

    test(`${name}: a transfer past its time, or of a queue that closes, leaves nothing`, async () => {
      using progress = new Witness(events.fileProgress);
      await using scratch = await Scratch.make();
      await using queue = make();
      const drone = new LocalDrone();
      const endless = await scratch.hole('endless');
      await scratch.folder('in');
      drone.with({ timeoutMs: 1500 }).queueCall(method, endless, scratch.of('in', 'to'));
      assert.equal(failureOf(await exceptionOf(queue.execute([drone])), drone).kind, 'timeout');
      assert.deepEqual(await readdir(scratch.of('in')), []);
      progress.seen.length = 0;
      const call = drone.queueCall(method, endless, scratch.of('in', 'to'));
      const round = exceptionOf(queue.execute([drone]), 'ERR_ROUND_CANCELLED');
      await progress.first(message => message.call === call);
      await queue.close({ graceMs: 0 });
      assert.equal(failureOf(await round, drone).kind, 'cancelled');
      assert.deepEqual(await readdir(scratch.of('in')), []);
    });

    test(`${name}: what fails on either side is a failure of its call with the system's code`, async () => {
      await using scratch = await Scratch.make();
      await using queue = make();
      const from = await scratch.file('from', 10);
      await scratch.folder('folder');
      await scratch.folder('other/from');
      execFileSync('mkfifo', [scratch.of('pipe')]);
      const cases: readonly [from: string, to: string, code: string, side: string][] = [
        [scratch.of('missing'), scratch.of('to'), 'ENOENT', reader],
        [scratch.of('folder'), scratch.of('to'), 'EISDIR', reader],
        [scratch.of('pipe'), scratch.of('to'), 'ERR_NOT_A_FILE', reader],
        ['/proc/self/status', scratch.of('to'), 'ERR_NO_SIZE', reader],
        [from, scratch.of('pipe'), 'ERR_NOT_A_FILE', writer],
        [from, scratch.of('from', 'to'), 'ENOTDIR', writer],
        [from, scratch.of('other'), 'EISDIR', writer],
        [from, scratch.of('x'.repeat(300)), 'ENAMETOOLONG', writer],
      ];
      const before = await readdir(scratch.path);
      for (const [source, destination, code, side] of cases) {
        const drone = new LocalDrone();
        const call = drone.queueCall(method, source, destination);
        const behind = drone.queueCall('run', 'true');
        const failure = failureOf(await exceptionOf(queue.execute([drone])), drone);
        const cause = failure.cause as NodeJS.ErrnoException;
        assert.deepEqual([failure.kind, cause.code], ['call', code], cause.message);
        assert.deepEqual([failure.call, failure.notStarted], [call, [behind]]);
        assert.ok(cause.message.startsWith(`on the ${side}: `), cause.message);
        const use = `is a directory: use ${method.replace('File', 'Directory')}`;
        if (source === scratch.of('folder')) assert.ok(cause.message.endsWith(use), cause.message);
      }
      assert.deepEqual(await readdir(scratch.path), before);
    });

    test(`${name}: with tolerateFailure a failure is a value with a note, which the next success removes`, async () => {
      await using scratch = await Scratch.make();
      await using queue = make();
      const drone = new LocalDrone();
      const call = drone.queueCall(method, scratch.of('late'), scratch.of('a', 'to'), { tolerateFailure: true });
      const refused = drone.queueCall(method, await scratch.file('from', 1), scratch.of('from', 'to'), {
        tolerateFailure: true,
      });
      const behind = drone.queueCall('run', 'echo behind');
      const results = await queue.execute([drone]);
      const { failure, files } = call.valueIn(results);
      assert.deepEqual([failure?.side, failure?.code, files], [reader, 'ENOENT', 0]);
      assert.deepEqual([refused.valueIn(results).failure?.side, behind.valueIn(results).stdout], [writer, 'behind\n']);
      const note = scratch.of('a', 'to.transfer_failed');
      const [source, date, reason] = (await readFile(note, 'utf8')).split('\n');
      assert.deepEqual([source, reason], [JSON.stringify(scratch.of('late')), failure?.message]);
      assert.ok(!Number.isNaN(Date.parse(String(date))));
      await scratch.file('late', 10);
      const { failure: none } = await queue.call(drone, method, scratch.of('late'), scratch.of('a', 'to'), {
        tolerateFailure: true,
      });
      assert.equal(none, undefined);
      assert.deepEqual(await readdir(scratch.of('a')), ['to']);
    });

    test(`${name}: arguments that make no sense are refused by name before anything runs`, async () => {
      await using scratch = await Scratch.make();
      await using queue = make();
      const [source, destination] = method === 'putFile' ? ['localPath', 'remotePath'] : ['remotePath', 'localPath'];
      const cases: readonly [args: unknown[], message: string][] = [
        [['', '/x'], `${source}: '', expected a non-empty string without a zero byte`],
        [['/x', 5], `${destination}: 5`],
        [['/x\0', '/x'], `${source}: '/x\\x00'`],
        [['/tmp/..', '/x'], `${source}: '/tmp/..', expected the path of a file, not of a directory`],
        [['/x', '/x', { mode: 0o1777 }], 'mode: 1023, expected an integer from 0 to 0o777'],
        [['/x', '/x', { tolerateFailure: 1 }], 'tolerateFailure: 1, expected a boolean'],
        [['/x', '/x', null], 'options: null, expected an object'],
      ];
      for (const [args, message] of cases) {
        const drone = new LocalDrone();
        (drone as unknown as { queueCall(method: string, ...args: unknown[]): void }).queueCall(method, ...args);
        const { kind, cause } = failureOf(await exceptionOf(queue.execute([drone])), drone);
        const told = (cause as Error).message;
        assert.deepEqual([kind, (cause as NodeJS.ErrnoException).code], ['call', 'ERR_INVALID_ARG']);
        assert.ok(told.startsWith(`${method}: ${message.replace(': ', ' is ')}`), told);
      }
      const drone = new LocalDrone();
      drone.queueCall(method, '/x', '/x', { mod: 1 } as object);
      assert.match(
        String(failureOf(await exceptionOf(queue.execute([drone])), drone).cause),
        /unknown option '\w+\.mod' \(did you mean 'mode'\?\), expected one of mode, tolerateFailure/,
      );
      assert.deepEqual(await readdir(scratch.path), []);
    });

    test(`${name}: progress is reported per MiB and at the end, with the size and the call`, async () => {
      using progress = new Witness(events.fileProgress);
      await using scratch = await Scratch.make();
      await using queue = make({ name: 'transfers' });
      const drone = new LocalDrone();
      const call = drone.queueCall(method, await scratch.file('from', 5 * MIB + 7), scratch.of('to'));
      await queue.execute([drone]);
      const { seen } = progress;
      assert.ok(seen.length >= 5 && seen.length <= 7, String(seen.length));
      for (const message of seen) {
        const { queue: name, hostname, totalBytes } = message;
        assert.deepEqual([name, hostname, totalBytes], ['transfers', 'localhost', 5 * MIB + 7]);
        assert.equal(message.call, call);
      }
      const bytes = seen.map(message => message.bytes);
      assert.deepEqual(
        bytes,
        bytes.toSorted((a, b) => a - b),
      );
      assert.equal(bytes.at(-1), 5 * MIB + 7);
    });
  }

  test(`${make.name}: an agent killed under way leaves nothing on the controller, and the call may have run`, async () => {
    using progress = new Witness(events.fileProgress);
    await using scratch = await Scratch.make();
    await using queue = make();
    const drone = new LocalDrone();
    const agent = Number((await queue.call(drone, 'run', 'echo $PPID')).stdout);
    await scratch.folder('in');
    const call = drone.queueCall('getFile', await scratch.hole('endless'), scratch.of('in', 'to'));
    const behind = drone.queueCall('run', 'true');
    const round = exceptionOf(queue.execute([drone]));
    await progress.first(message => message.call === call);
    process.kill(agent, 'SIGKILL');
    const failure = failureOf(await round, drone);
    assert.deepEqual([failure.kind, failure.mayHaveRun], ['lost', [call, behind]]);
    assert.deepEqual(await readdir(scratch.of('in')), []);
    assert.equal(isRunning(agent), false);
  });

  test(`${make.name}: what no longer fits is a failure that says where, and leaves no part of it`, async () => {
    await using scratch = await Scratch.make();
    const from = await scratch.file('from', 8 * MIB);
    const command = `ulimit -f 8192; exec "$@"`; // of 512 bytes
    const program = fileURLToPath(new URL('./programs/no-room.js', import.meta.url));
    const node = [process.execPath, program, make.name, from, await scratch.folder('in')];
    const stdout = execFileSync('/bin/sh', ['-c', command, 'sh', ...node], { encoding: 'utf8' });
    assert.match(stdout, /^call EFBIG, 0 left: on the drone: cannot write ".*to": EFBIG: file too large/);
    assert.match(stdout, /\ncall EFBIG, 0 left: on the controller: cannot write ".*to": EFBIG: file too large/);
  });

  test(`${make.name}: a fake drone with a putFile of its own gets the arguments, as with any method`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', { putFile: (from: string, to: string) => `${from} to ${to}` });
    const call = drone.queueCall('putFile', '/no/such/file', '~/there');
    assert.equal(call.valueIn(await queue.execute([drone])), '/no/such/file to ~/there');
  });

  test(`${make.name}: ~/ is the home of either side`, async () => {
    await using scratch = await Scratch.make();
    await using queue = make();
    const home = await scratch.folder('home');
    await mkdir(join(home, 'in'));
    const drone = new LocalDrone({ env: { HOME: home } });
    const from = await scratch.file('from', 100);
    await queue.call(drone, 'putFile', from, '~/in/');
    assert.equal(await hashOf(join(home, 'in', 'from')), await hashOf(from));
    assert.equal(existsSync('~'), false);
  });
}
