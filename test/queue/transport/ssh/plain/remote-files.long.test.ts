/** Transfers to and from a drone without an agent end as they do on the files of this machine. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, lstat, mkdir, readdir, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { CallContext } from '../../../../../src/queue/agent/call-context.js';
import { transfer } from '../../../../../src/queue/agent/transfer.js';
import type { TransferStream } from '../../../../../src/queue/agent/transfer-stream.js';
import type { FileSystem } from '../../../../../src/queue/transfer/file-system.js';
import { TransferPeer } from '../../../../../src/queue/transfer/peer.js';
import { readRequest, type TransferMethod } from '../../../../../src/queue/transfer/request.js';
import { Ender } from '../../../../../src/queue/transport/ssh/plain/ender.js';
import { ExecSlots } from '../../../../../src/queue/transport/ssh/plain/exec-slots.js';
import { foundIn } from '../../../../../src/queue/transport/ssh/plain/methods/attributes.js';
import { RemoteFiles } from '../../../../../src/queue/transport/ssh/plain/methods/remote-files.js';
import { PipeKeeper } from '../../../../../src/queue/transport/ssh/plain/pipe-keeper.js';
import type { TransferReport } from '../../../../../src/queue/wire/messages.js';
import type { FileTransferResult } from '../../../../../src/queue/wire/methods.js';
import { hashOf, LONG_AGO, lookAt, makeTree, Scratch } from '../../../../contract/trees.js';
import { busybox, type Shell, shell } from '../../../../support/shells.js';
import { leakCheck } from '../../../../support/leak-check.js';
import { LocalServer } from './local-server.js';

leakCheck();

const MIB = 1024 * 1024;

/** Both sides of a transfer; the drone's is played on `shell`, or without one on this machine's files. */
class Pair implements AsyncDisposable {
  readonly warnings: string[] = [];
  readonly #stop = new AbortController();
  readonly #server: LocalServer | undefined;
  readonly #files: FileSystem | undefined;

  constructor(cwd: string, shell?: Shell) {
    if (shell === undefined) return;
    const { signal } = this.#stop;
    const server = new LocalServer({ shell: shell.path, env: { HOME: cwd, PATH: shell.searchPath }, cwd });
    const slots = new ExecSlots(server, signal);
    const way = { server, slots, connectAgain: () => assert.fail('one connection is enough'), gone: signal };
    const ender = new Ender({ ...way, graceMs: () => 500 });
    const drone = { server, slots, ender, keeper: new PipeKeeper(way), env: {}, onRequest: () => undefined };
    this.#server = server;
    this.#files = new RemoteFiles({ method: 'transfer', drone, context: this.#context() });
  }

  run(method: TransferMethod, ...args: unknown[]): Promise<FileTransferResult> {
    return transfer(this.#context(), readRequest(method, args), this.#files);
  }

  /** What it comes to, in words. */
  async outcome(method: TransferMethod, ...args: unknown[]): Promise<string> {
    try {
      return JSON.stringify(await this.run(method, ...args));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return `${String(code)} ${message}`;
    }
  }

  cancel(): void {
    this.#stop.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server?.end();
    await delay(0);
  }

  #context(): CallContext {
    return {
      signal: this.#stop.signal,
      killGraceMs: 500,
      output: undefined,
      prints: () => undefined,
      warn: message => this.warnings.push(message),
      openTransfer: (request, files) => {
        const own = new TransferPeer(
          request,
          'drone',
          { data: part => controller.data(part), credit: payload => controller.credit(payload) },
          { files },
        );
        const controller: TransferPeer = new TransferPeer(request, 'controller', {
          data: part => own.data(part),
          credit: payload => own.credit(payload),
        });
        void controller.run().then(report => own.remoteEnded(report));
        return {
          peer: own,
          report: (report: TransferReport) => controller.remoteEnded(report),
        } as unknown as TransferStream;
      },
    };
  }
}

for (const makeShell of [shell, busybox]) {
  test(`${makeShell.name}: files keep contents, mode and time, both ways`, async () => {
    await using shell = await makeShell();
    await using scratch = await Scratch.make();
    await using pair = new Pair(scratch.path, shell);
    for (const size of [0, 1, 64, 5 * MIB + 1]) {
      const from = await scratch.file(String(size), size);
      await chmod(from, 0o754);
      await utimes(from, LONG_AGO, LONG_AGO);
      for (const method of ['putFile', 'getFile'] as const) {
        const to = scratch.of('a', 'b', method);
        assert.deepEqual(await pair.run(method, from, to), {
          bytes: size,
          files: 1,
          directories: 0,
          links: 0,
          leftOut: [],
        });
        const { mode, mtime } = await stat(to);
        assert.deepEqual([mode & 0o7777, mtime], [0o754, LONG_AGO]);
        assert.equal(await hashOf(to), await hashOf(from));
      }
    }
    assert.deepEqual((await readdir(scratch.of('a', 'b'))).sort(), ['getFile', 'putFile']);
    await pair.run('putFile', scratch.of('1'), '~/in/home/');
    await pair.run('getFile', 'in/home/1', scratch.of('back'), { mode: 0o600 });
    assert.equal((await stat(scratch.of('back'))).mode & 0o7777, 0o600);
  });

  test(`${makeShell.name}: folders arrive with links, empty folders and odd names, and take in what comes again`, async () => {
    await using shell = await makeShell();
    await using scratch = await Scratch.make();
    await using pair = new Pair(scratch.path, shell);
    const from = await makeTree(scratch, 'from');
    // Not each touch takes more than seconds.
    for (const name of [
      '',
      'nothing',
      'empty',
      'inner/deep',
      'inner/deep/large',
      'two\nlines',
      'two\nlines/-rf *',
      'ünïcode ☃',
    ])
      await utimes(join(from, name), LONG_AGO, LONG_AGO);
    await utimes(Buffer.concat([Buffer.from(`${from}/latin-`), Buffer.of(0xe9)]), LONG_AGO, LONG_AGO);
    const expected = await lookAt(from);
    for (const method of ['putDirectory', 'getDirectory'] as const) {
      for (let time = 0; time < 2; time++) {
        const { files, directories, links } = await pair.run(method, from, scratch.of(method));
        assert.deepEqual([files, directories, links], [7, 5, 3]);
        // A directory that is there keeps its mode, and has the time of what was put into it.
        if (time === 0) assert.deepEqual(await lookAt(scratch.of(method)), expected);
        else assert.deepEqual(Object.keys(await lookAt(scratch.of(method))), Object.keys(expected));
      }
    }
  });

  test(`${makeShell.name}: what fails has the code and the words that it has with an agent`, async () => {
    await using shell = await makeShell();
    await using scratch = await Scratch.make();
    await using pair = new Pair(scratch.path, shell);
    await using local = new Pair(scratch.path);
    const from = await scratch.file('from', 10);
    const folder = await scratch.folder('folder');
    execFileSync('mkfifo', [scratch.of('pipe')]);
    await symlink('loop', scratch.of('loop'));
    await symlink('folder', scratch.of('to-folder'));
    await writeFile(scratch.of('folder', 'file'), '');
    execFileSync('mkfifo', [scratch.of('folder', 'pipe')]);
    const cases: readonly [method: TransferMethod, from: string, to: string, options?: object][] = [
      ['getFile', scratch.of('missing'), scratch.of('to')],
      ['getFile', folder, scratch.of('to')],
      ['getFile', scratch.of('pipe'), scratch.of('to')],
      ['getFile', scratch.of('loop'), scratch.of('to')],
      ['getFile', '/proc/self/status', scratch.of('to')],
      ['getFile', scratch.of('missing'), scratch.of('to'), { tolerateFailure: true }],
      ['putFile', scratch.of('missing'), scratch.of('to')],
      ['putFile', from, scratch.of('pipe')],
      ['putFile', from, scratch.of('from', 'to')],
      ['putFile', from, folder],
      ['putFile', from, scratch.of('to-folder')],
      ['putFile', from, scratch.of('x'.repeat(300))],
      ['putFile', from, scratch.of('from', 'to'), { tolerateFailure: true }],
      ['putFile', scratch.of('missing'), scratch.of('noted'), { tolerateFailure: true }],
      ['putDirectory', from, scratch.of('to')],
      ['putDirectory', folder, from],
      ['putDirectory', folder, scratch.of('from', 'to')],
      ['getDirectory', from, scratch.of('to')],
      ['getDirectory', scratch.of('missing'), scratch.of('to')],
      ['getDirectory', folder, scratch.of('got')],
    ];
    for (const args of cases)
      assert.equal(await pair.outcome(...args), await local.outcome(...args), JSON.stringify(args));
    assert.deepEqual(pair.warnings, local.warnings);
    const left = (await readdir(scratch.path)).sort();
    const known = ['folder', 'from', 'got', 'loop', 'noted.transfer_failed', 'pipe', 'to-folder', 'to.transfer_failed'];
    assert.deepEqual(left, known);
  });

  test(`${makeShell.name}: a link is replaced, also one to a folder below, and a failure's note is removed by the next success`, async () => {
    await using shell = await makeShell();
    await using scratch = await Scratch.make();
    await using pair = new Pair(scratch.path, shell);
    const from = await scratch.file('from', 10);
    const other = await scratch.file('other', 20);
    await symlink('other', scratch.of('link'));
    await pair.run('putFile', from, scratch.of('link'));
    assert.ok((await lstat(scratch.of('link'))).isFile());
    assert.equal((await stat(other)).size, 20);
    await mkdir(scratch.of('tree'));
    await symlink('/etc', scratch.of('tree', 'x'));
    await mkdir(scratch.of('there', 'inner'), { recursive: true });
    await symlink('inner', scratch.of('there', 'x'));
    await pair.run('putDirectory', scratch.of('tree'), scratch.of('there'));
    assert.deepEqual(await readdir(scratch.of('there', 'inner')), []);
    await pair.run('putFile', scratch.of('late'), scratch.of('in', 'to'), { tolerateFailure: true });
    assert.deepEqual(await readdir(scratch.of('in')), ['to.transfer_failed']);
    await scratch.file('late', 1);
    await pair.run('putFile', scratch.of('late'), scratch.of('in', 'to'), { tolerateFailure: true });
    assert.deepEqual(await readdir(scratch.of('in')), ['to']);
  });

  for (const method of ['putFile', 'getFile'] as const) {
    test(`${makeShell.name}: ${method} that is cancelled under way leaves nothing but the old file`, async () => {
      await using shell = await makeShell();
      await using scratch = await Scratch.make();
      await using pair = new Pair(scratch.path, shell);
      await scratch.folder('in');
      await writeFile(scratch.of('in', 'to'), 'old');
      const from = await scratch.hole('endless');
      const ended = assert.rejects(pair.run(method, from, scratch.of('in', 'to')));
      while (!(await readdir(scratch.of('in'))).some(name => name.endsWith('.part'))) await delay(5);
      pair.cancel();
      await ended;
      await truncate(from, 0);
      assert.deepEqual(await readdir(scratch.of('in')), ['to']);
      assert.equal((await stat(scratch.of('in', 'to'))).size, 3);
    });
  }
}

test('a file is known by what stat prints, and by what ls does where there is none', () => {
  const time = '2001-02-03 04:05:06.789000000 +0000';
  assert.deepEqual(foundIn(`S 81e4 11 981173106 ${time}\n`), {
    kind: 'file',
    mode: 0o744,
    mtimeMs: 981_173_106_789,
    size: 11,
  });
  assert.deepEqual(foundIn('L 981173106 drwxr-s--T 2 0 0 4096 Feb  3  2001 /a b\n'), {
    kind: 'folder',
    mode: 0o750,
    mtimeMs: 981_173_106_000,
    size: 4096,
  });
  assert.equal(foundIn('S a1ff 4 1 2001\n').kind, 'link');
  assert.equal(foundIn('L 1 prw-r--r-- 1 0 0 0 Feb  3 x').kind, 'other');
});
