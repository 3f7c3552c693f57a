import assert from 'node:assert/strict';
import {
  chmod,
  link,
  lstat,
  mkdir,
  readFile,
  readdir,
  readlink,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { leakCheck } from '../../support/leak-check.js';
import { temporaryFolder } from '../../support/processes-left.js';
import { startAgent } from './spawn-agent.js';

leakCheck();

const LONG_AGO = new Date('2001-02-03T04:05:06Z');

/** A folder with a file, a program, a link, a broken link and a folder in it. */
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

test('initialize makes the folder, and the one for drones in it empty', async t => {
  const folder = join(await temporaryFolder(t), 'a', 'results');
  await using agent = await startAgent();
  assert.equal(await agent.call('initialize', folder), undefined);
  assert.deepEqual(await readdir(folder), ['drone_tmp']);
  await writeFile(join(folder, 'kept'), 'x');
  await writeFile(join(folder, 'drone_tmp', 'left over'), 'x');
  await agent.call('initialize', folder);
  assert.deepEqual((await readdir(folder)).sort(), ['drone_tmp', 'kept']);
  assert.deepEqual(await readdir(join(folder, 'drone_tmp')), []);
});

test('writeToFile appends text and bytes, and makes the folder', async t => {
  const file = join(await temporaryFolder(t), 'new', 'file');
  await using agent = await startAgent();
  assert.equal(await agent.call('writeToFile', file, 'täxt'), undefined);
  await agent.call('writeToFile', file, Uint8Array.of(0, 255));
  await agent.call('writeToFile', file, '');
  assert.deepEqual(await readFile(file), Buffer.concat([Buffer.from('täxt'), Buffer.of(0, 255)]));
});

test('a folder is copied with links, modes and times', async t => {
  const folder = await temporaryFolder(t);
  await makeTree(join(folder, 'from'));
  await using agent = await startAgent();
  await agent.call('copyFileOrDirectory', join(folder, 'from'), join(folder, 'new', 'to'));
  await assertTree(join(folder, 'new', 'to'));
});

test('with a trailing slash the contents are copied, also into a folder that is there', async t => {
  const folder = await temporaryFolder(t);
  await makeTree(join(folder, 'from'));
  await using agent = await startAgent();
  for (let time = 0; time < 2; time++) {
    await agent.call('copyFileOrDirectory', `${folder}/from/`, join(folder, 'to'));
    await assertTree(join(folder, 'to'));
  }
});

test('a folder that is there is copied into, again and again', async t => {
  const folder = await temporaryFolder(t);
  await makeTree(join(folder, 'from'));
  await mkdir(join(folder, 'to'));
  await using agent = await startAgent();
  await agent.call('copyFileOrDirectory', join(folder, 'from'), join(folder, 'to'));
  await agent.call('copyFileOrDirectory', join(folder, 'from'), `${folder}/to/`);
  await assertTree(join(folder, 'to', 'from'));
  await agent.call('copyFileOrDirectory', join(folder, 'from', 'file'), `${folder}/other/`);
  assert.deepEqual(await readdir(join(folder, 'other')), ['file']);
});

test('files and links are copied as what they are, over what is there', async t => {
  const folder = await temporaryFolder(t);
  await makeTree(folder);
  await writeFile(join(folder, '-old'), 'old');
  await using agent = await startAgent({ cwd: folder });
  await agent.call('copyFileOrDirectory', 'file', '-old');
  assert.equal(await readFile(join(folder, '-old'), 'utf8'), 'contents');
  await agent.call('copyFileOrDirectory', join(folder, 'broken'), join(folder, 'copy'));
  assert.ok((await lstat(join(folder, 'copy'))).isSymbolicLink());
});

test('a copy onto itself changes nothing, whatever it is called', async t => {
  const folder = await temporaryFolder(t);
  await makeTree(join(folder, 'tree'));
  await link(join(folder, 'tree', 'file'), join(folder, 'hard'));
  await symlink('tree', join(folder, 'alias'));
  await using agent = await startAgent();
  const pairs = [
    ['tree', 'tree'],
    ['tree/', 'tree'],
    ['tree/', 'alias'],
    ['tree', ''],
    ['tree/file', 'tree/file'],
    ['tree/file', 'tree'],
    ['tree/file', 'hard'],
    ['tree/link', 'tree/file'],
  ] as const;
  for (const [from, to] of pairs.slice(1)) {
    await agent.call('copyFileOrDirectory', `${folder}/${from}`, `${folder}/${to}`);
  }
  await assertTree(join(folder, 'tree'));
  assert.deepEqual((await readdir(folder)).sort(), ['alias', 'hard', 'tree']);
});

test('what cannot be copied is an error with a reason', async t => {
  const folder = await temporaryFolder(t);
  await makeTree(join(folder, 'tree'));
  await using agent = await startAgent();
  assert.equal((await agent.fail('copyFileOrDirectory', `${folder}/missing`, `${folder}/to`)).code, 'ENOENT');
  assert.equal((await agent.fail('copyFileOrDirectory', `${folder}/tree/file/`, `${folder}/to`)).code, 'ENOTDIR');
  const error = await agent.fail('copyFileOrDirectory', `${folder}/tree`, `${folder}/tree/inner/`);
  assert.equal(error.code, 'ERR_COPY_FAILED');
  assert.match(error.message, /into itself/);
});

test('arguments that make no sense are refused by name', async () => {
  await using agent = await startAgent();
  const cases: readonly (readonly [method: string, args: unknown[], message: RegExp])[] = [
    ['initialize', [''], /initialize: resultsDir is '', expected a non-empty string/],
    ['writeToFile', [5, 'x'], /writeToFile: path is 5/],
    ['writeToFile', ['/x', 5], /writeToFile: contents is 5, expected a string or a Uint8Array/],
    ['copyFileOrDirectory', [undefined, '/x'], /copyFileOrDirectory: source is undefined/],
    ['copyFileOrDirectory', ['/x', {}], /copyFileOrDirectory: destination is \{\}/],
  ];
  for (const [method, args, message] of cases) {
    const error = await agent.fail(method, ...args);
    assert.match(error.message, message);
    assert.equal(error.code, 'ERR_INVALID_ARG');
  }
});
