/** What initialize, writeFile, appendToFile and copyFileOrDirectory do, whichever agent serves them. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  chmod,
  link,
  lstat,
  mkdir,
  readFile,
  readdir,
  readlink,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { temporaryFolder } from '../../../support/processes-left.js';
import { FrameType } from '../../../../src/queue/wire/messages.js';
import type { AgentKind } from '../agents.js';

const LONG_AGO = new Date('2001-02-03T04:05:06Z');

/** A directory with a file, a program, a link, a broken link and a directory in it. */
async function makeTree(folder: string): Promise<void> {
  await mkdir(join(folder, 'inner'), { recursive: true });
  await writeFile(join(folder, 'file'), 'contents');
  await writeFile(join(folder, 'inner', 'program'), '#!/bin/sh\n');
  await chmod(join(folder, 'inner', 'program'), 0o750);
  await symlink('file', join(folder, 'link'));
  await symlink('nowhere', join(folder, 'broken'));
  for (const path of ['file', 'inner/program', 'inner']) await utimes(join(folder, path), LONG_AGO, LONG_AGO);
}

async function assertTree(folder: string): Promise<void> {
  assert.deepEqual((await readdir(folder)).sort(), ['broken', 'file', 'inner', 'link']);
  assert.equal(await readFile(join(folder, 'file'), 'utf8'), 'contents');
  assert.equal((await stat(join(folder, 'inner', 'program'))).mode & 0o777, 0o750);
  assert.equal(await readlink(join(folder, 'link')), 'file');
  assert.equal(await readlink(join(folder, 'broken')), 'nowhere');
  for (const path of ['file', 'inner/program', 'inner']) {
    assert.deepEqual((await stat(join(folder, path))).mtime, LONG_AGO);
  }
}

export function filesSuite(kinds: readonly AgentKind[]): void {
  for (const { name, start } of kinds) {
    test(`${name}: initialize makes the folder, and the one for drones in it empty`, async t => {
      const folder = join(await temporaryFolder(t), 'a', 'results');
      await using agent = await start();
      assert.equal(await agent.call('initialize', folder), undefined);
      assert.deepEqual(await readdir(folder), ['drone_tmp']);
      await writeFile(join(folder, 'kept'), 'x');
      await writeFile(join(folder, 'drone_tmp', 'left over'), 'x');
      await agent.call('initialize', folder);
      assert.deepEqual((await readdir(folder)).sort(), ['drone_tmp', 'kept']);
      assert.deepEqual(await readdir(join(folder, 'drone_tmp')), []);
    });

    test(`${name}: writeFile replaces a file whole, keeps its mode, and makes the folder`, async t => {
      const file = join(await temporaryFolder(t), 'new', 'file');
      await using agent = await start();
      assert.equal(await agent.call('writeFile', file, 'a longer text'), undefined);
      await chmod(file, 0o640);
      const before = await stat(file);
      await agent.call('writeFile', file, Uint8Array.of(0, 255));
      assert.deepEqual(await readFile(file), Buffer.of(0, 255));
      const after = await stat(file);
      assert.equal(after.mode, before.mode);
      assert.notEqual(after.ino, before.ino, 'a reader of the old file has all of it');
      assert.deepEqual(await readdir(dirname(file)), ['file']);
      assert.equal((await agent.fail('writeFile', dirname(file), 'x')).code, 'EISDIR');
    });

    test(`${name}: appendToFile appends text and bytes, and makes the folder`, async t => {
      const file = join(await temporaryFolder(t), 'new', 'file');
      await using agent = await start();
      assert.equal(await agent.call('appendToFile', file, 'täxt'), undefined);
      await agent.call('appendToFile', file, Uint8Array.of(0, 255));
      await agent.call('appendToFile', file, '');
      assert.deepEqual(await readFile(file), Buffer.concat([Buffer.from('täxt'), Buffer.of(0, 255)]));
    });

    test(`${name}: a folder is copied with links, modes and times`, async t => {
      const folder = await temporaryFolder(t);
      await makeTree(join(folder, 'from'));
      await using agent = await start();
      await agent.call('copyFileOrDirectory', join(folder, 'from'), join(folder, 'new', 'to'));
      await assertTree(join(folder, 'new', 'to'));
    });

    test(`${name}: with a trailing slash the contents are copied, also into a folder that is there`, async t => {
      const folder = await temporaryFolder(t);
      await makeTree(join(folder, 'from'));
      await using agent = await start();
      for (let time = 0; time < 2; time++) {
        await agent.call('copyFileOrDirectory', `${folder}/from/`, join(folder, 'to'));
        await assertTree(join(folder, 'to'));
      }
    });

    test(`${name}: a folder goes where the destination says, whatever is there`, async t => {
      const folder = await temporaryFolder(t);
      await makeTree(join(folder, 'from'));
      await mkdir(join(folder, 'to'));
      await writeFile(join(folder, 'to', 'kept'), '');
      await using agent = await start();
      for (let time = 0; time < 2; time++) {
        await agent.call('copyFileOrDirectory', join(folder, 'from'), join(folder, 'to'));
        await agent.call('copyFileOrDirectory', join(folder, 'from'), `${folder}/in/`);
        await agent.call('copyFileOrDirectory', `${folder}/from/`, `${folder}/in/`);
      }
      await assertTree(join(folder, 'in', 'from'));
      assert.deepEqual(await readdir(join(folder, 'in')), ['from']);
      await rm(join(folder, 'to', 'kept'));
      await assertTree(join(folder, 'to'));
    });

    test(`${name}: a file goes into a folder only with a slash at the end of the destination`, async t => {
      const folder = await temporaryFolder(t);
      await makeTree(join(folder, 'from'));
      await mkdir(join(folder, 'to'));
      await using agent = await start();
      await agent.call('copyFileOrDirectory', join(folder, 'from', 'file'), `${folder}/other/`);
      assert.deepEqual(await readdir(join(folder, 'other')), ['file']);
      const error = await agent.fail('copyFileOrDirectory', join(folder, 'from', 'file'), join(folder, 'to'));
      assert.equal(error.code, 'EISDIR');
      assert.match(error.message, /to copy into it, end the path with a slash/);
    });

    test(`${name}: files and links are copied as what they are, over what is there`, async t => {
      const folder = await temporaryFolder(t);
      await makeTree(folder);
      await writeFile(join(folder, '-old'), 'old');
      await using agent = await start({ cwd: folder });
      await agent.call('copyFileOrDirectory', 'file', '-old');
      assert.equal(await readFile(join(folder, '-old'), 'utf8'), 'contents');
      await agent.call('copyFileOrDirectory', join(folder, 'broken'), join(folder, 'copy'));
      assert.ok((await lstat(join(folder, 'copy'))).isSymbolicLink());
    });

    test(`${name}: a copy onto itself changes nothing, whatever it is called`, async t => {
      const folder = await temporaryFolder(t);
      await makeTree(join(folder, 'tree'));
      await link(join(folder, 'tree', 'file'), join(folder, 'hard'));
      await symlink('tree', join(folder, 'alias'));
      await using agent = await start();
      const pairs = [
        ['tree', 'tree'],
        ['tree/', 'tree'],
        ['tree/', 'alias'],
        ['tree', ''],
        ['tree/file', 'tree/file'],
        ['tree/file', 'tree/'],
        ['tree/file', 'hard'],
        ['tree/link', 'tree/file'],
      ] as const;
      for (const [from, to] of pairs.slice(1)) {
        await agent.call('copyFileOrDirectory', `${folder}/${from}`, `${folder}/${to}`);
      }
      await assertTree(join(folder, 'tree'));
      assert.deepEqual((await readdir(folder)).sort(), ['alias', 'hard', 'tree']);
    });

    test(`${name}: what cannot be copied is an error with a reason`, async t => {
      const folder = await temporaryFolder(t);
      await makeTree(join(folder, 'tree'));
      await using agent = await start();
      assert.equal((await agent.fail('copyFileOrDirectory', `${folder}/missing`, `${folder}/to`)).code, 'ENOENT');
      assert.equal((await agent.fail('copyFileOrDirectory', `${folder}/tree/file/`, `${folder}/to`)).code, 'ENOTDIR');
      const error = await agent.fail('copyFileOrDirectory', `${folder}/tree`, `${folder}/tree/inner/`);
      assert.equal(error.code, 'ERR_COPY_FAILED');
      assert.match(error.message, /into itself|recursion detected/);
    });

    test(`${name}: the reason of a failed copy is in its error, also when the call streams its output`, async t => {
      const folder = await temporaryFolder(t);
      await makeTree(join(folder, 'tree'));
      await using agent = await start();
      const batch = agent.newBatch();
      const args = [`${folder}/tree`, `${folder}/tree/inner/`];
      agent.sendCall(batch, 0, 'copyFileOrDirectory', args, { streams: true });
      const { error } = await agent.failure(batch, 0);
      assert.equal(error.code, 'ERR_COPY_FAILED');
      assert.match(error.message, /into itself|recursion detected/);
      assert.deepEqual(
        agent.replies.filter(({ type }) => type === FrameType.Output),
        [],
      );
    });

    test(`${name}: a copy goes from and to paths in the home, and only what copies knows a home`, async t => {
      const folder = await temporaryFolder(t);
      const home = join(folder, 'home');
      await makeTree(join(home, 'tree'));
      await mkdir(join(folder, '~'));
      await using agent = await start({ cwd: folder, config: { env: { HOME: home } } });
      await agent.call('copyFileOrDirectory', '~/tree/file', '~/new/file');
      assert.equal(await readFile(join(home, 'new', 'file'), 'utf8'), 'contents');
      await agent.call('copyFileOrDirectory', '~/tree/', '~/new/');
      await assertTree(join(home, 'new', 'tree'));
      const error = await agent.fail('copyFileOrDirectory', '~/missing', '~/to');
      assert.equal(error.message, `ENOENT: no such file or directory, lstat '${home}/missing'`);
      await agent.call('copyFileOrDirectory', './~/', `${folder}/to`);
      await agent.call('writeFile', '~/written', 'here');
      await agent.call('appendToFile', '~/written', ', too');
      await agent.call('initialize', '~/results');
      assert.deepEqual((await readdir(join(folder, '~'))).sort(), ['results', 'written']);
      assert.equal(await readFile(join(folder, '~', 'written'), 'utf8'), 'here, too');
      assert.deepEqual((await readdir(home)).sort(), ['new', 'tree']);
    });

    test(`${name}: arguments for files that make no sense are refused by name`, async () => {
      await using agent = await start();
      const cases: readonly (readonly [method: string, args: unknown[], message: RegExp])[] = [
        ['initialize', [''], /initialize: resultsDir is '', expected a non-empty string/],
        ['appendToFile', [5, 'x'], /appendToFile: path is 5/],
        ['writeFile', ['/x', 5], /writeFile: contents is 5, expected a string or a Uint8Array/],
        ['appendToFile', ['/x', 5], /appendToFile: contents is 5, expected a string or a Uint8Array/],
        ['copyFileOrDirectory', [undefined, '/x'], /copyFileOrDirectory: source is undefined/],
        ['writeFile', ['/x\0', 'x'], /writeFile: path is '\/x\\x00', expected a string without a zero byte/],
        ['copyFileOrDirectory', ['/x', {}], /copyFileOrDirectory: destination is \{\}/],
      ];
      for (const [method, args, message] of cases) {
        const error = await agent.fail(method, ...args);
        assert.match(error.message, message);
        assert.equal(error.code, 'ERR_INVALID_ARG');
      }
    });

    test(`${name}: what the system refuses has its code and names the path`, async t => {
      const folder = await temporaryFolder(t);
      await writeFile(join(folder, 'file'), 'old');
      await symlink('loop', join(folder, 'loop'));
      await symlink('nowhere', join(folder, 'broken'));
      await using agent = await start({ cwd: folder });
      const long = 'x'.repeat(300);
      const cases: readonly (readonly [method: string, path: string, code: string, message: RegExp])[] = [
        ['writeFile', `${folder}/file/new`, 'EEXIST', /^EEXIST: file already exists, mkdir '.*\/file'$/],
        ['writeFile', 'file/in/new', 'ENOTDIR', /^ENOTDIR: not a directory, mkdir '\/.*\/file\/in'$/],
        ['writeFile', `${folder}/loop`, 'ELOOP', /^ELOOP: too many symbolic links encountered, stat '.*\/loop'$/],
        ['writeFile', long, 'ENAMETOOLONG', /^ENAMETOOLONG: name too long, stat '\/.*\/x+'$/],
        [
          'writeFile',
          '/dev/null',
          'ERR_NOT_A_FILE',
          /^"\/dev\/null" is neither a file nor a directory, and was left unchanged$/,
        ],
        ['writeFile', folder, 'EISDIR', /^".*" is a directory$/],
        ['writeFile', `${folder}/`, 'EISDIR', /^".*\/" is a directory$/],
        [
          'writeFile',
          '/proc/none',
          'ENOENT',
          /^cannot write "\/proc\/none": ENOENT: no such .*, open '\/proc\/\.transfer-/,
        ],
        ['appendToFile', folder, 'EISDIR', /^EISDIR: illegal operation on a directory, open '.*'$/],
        ['appendToFile', 'file/new', 'EEXIST', /^EEXIST: file already exists, mkdir 'file'$/],
        ['appendToFile', 'broken/new', 'EEXIST', /^EEXIST: file already exists, mkdir 'broken'$/],
        ['appendToFile', '/proc/none/new', 'ENOENT', /^ENOENT: no such file or directory, mkdir '\/proc\/none'$/],
        ['appendToFile', '/dev/full', 'ENOSPC', /^ENOSPC: no space left on device, write$/],
        ['initialize', 'file', 'ENOTDIR', /^ENOTDIR: not a directory, /],
        ['initialize', '/proc/none', 'ENOENT', /^ENOENT: no such file or directory, mkdir '\/proc\/none/],
      ];
      for (const [method, path, code, message] of cases) {
        const error = await agent.fail(method, path, 'new');
        assert.equal(error.code, code, `${method} ${path.slice(0, 60)}: ${error.message}`);
        assert.match(error.message, message);
      }
      assert.deepEqual((await readdir(folder)).sort(), ['broken', 'file', 'loop']);
      assert.equal(await readFile(join(folder, 'file'), 'utf8'), 'old');
    });

    test(`${name}: a link is replaced by writeFile, to a folder too, and paths may hold any bytes`, async t => {
      const folder = await temporaryFolder(t);
      await mkdir(join(folder, 'folder'));
      await symlink('folder', join(folder, 'link'));
      await using agent = await start({ cwd: folder });
      await agent.call('writeFile', 'link', 'text');
      assert.ok((await lstat(join(folder, 'link'))).isFile());
      assert.deepEqual(await readdir(join(folder, 'folder')), []);
      const odd = '-n ☃\'\n\\$(exit) "`x`%s\n';
      await agent.call('writeFile', odd, 'one');
      await agent.call('appendToFile', odd, 'two');
      await agent.call('copyFileOrDirectory', odd, `${odd}${odd}`);
      assert.equal(await readFile(join(folder, `${odd}${odd}`), 'utf8'), 'onetwo');
      assert.deepEqual((await readdir(folder)).sort(), [odd, `${odd}${odd}`, 'folder', 'link'].sort());
    });

    test(`${name}: files of many megabytes arrive whole, and a mode is kept without its special bits`, async t => {
      const folder = await temporaryFolder(t);
      const bytes = randomBytes(3_000_001);
      await using agent = await start({ cwd: folder });
      await agent.call('writeFile', 'file', '');
      await chmod(join(folder, 'file'), 0o4751);
      await agent.call('writeFile', 'file', bytes);
      await agent.call('appendToFile', 'file', bytes);
      assert.deepEqual(await readFile(join(folder, 'file')), Buffer.concat([bytes, bytes]));
      assert.equal((await stat(join(folder, 'file'))).mode & 0o7777, 0o751);
      assert.deepEqual(await readdir(folder), ['file']);
    });
  }
}
