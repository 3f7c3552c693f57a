/** What a sender that is not ours may send, and what is then left: nothing outside of the destination, no part of a file. */
import assert from 'node:assert/strict';
import { readdir, readFile, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { encode } from '../../../src/queue/wire/codec/codec.js';
import { ProtocolError } from '../../../src/queue/wire/frames.js';
import { FileError } from '../../../src/queue/transfer/failure.js';
import { PartReader } from '../../../src/queue/transfer/part-stream.js';
import { readRequest } from '../../../src/queue/transfer/request.js';
import { localFiles } from '../../../src/queue/transfer/file-system.js';
import { Receiver } from '../../../src/queue/transfer/receiver.js';
import { TransferCounter } from '../../../src/queue/transfer/counter.js';
import { Scratch } from '../../contract/trees.js';
import { leakCheck } from '../../support/leak-check.js';

leakCheck();

const HEAD = { mode: 0o644, mtimeMs: 0 };

function bytesOf(name: string): Uint8Array {
  return new Uint8Array(Buffer.from(name));
}

/** A part as it travels: its kind's number, and a head. */
function part(kind: number, head?: object): Uint8Array {
  return new Uint8Array([kind, ...(head === undefined ? [] : encode(head))]);
}

const folder = (name: string): Uint8Array => part(3, { ...HEAD, name: bytesOf(name), mode: 0o755 });
const file = (name: string, size: number): Uint8Array => part(1, { ...HEAD, name: bytesOf(name), size });
const link = (name: string, target: string): Uint8Array => part(5, { name: bytesOf(name), target: bytesOf(target) });
const data = (text: string): Uint8Array => new Uint8Array([2, ...bytesOf(text)]);
const leave = part(4);

async function receive(
  parts: readonly Uint8Array[],
  to: string,
  method: 'getFile' | 'getDirectory' = 'getDirectory',
): Promise<TransferCounter> {
  const flow = new PartReader(() => undefined);
  const counter = new TransferCounter();
  const done = new Receiver(readRequest(method, ['/remote/name', to]), flow, counter, localFiles).run();
  for (const each of parts) flow.push(each);
  flow.end();
  await done;
  return counter;
}

test('parts in order make a tree, and one file lands under the name it is given', async () => {
  await using scratch = await Scratch.make();
  const parts = [folder(''), folder('a'), file('b', 4), data('te'), data('xt'), leave, link('c', 'a/b'), leave];
  const { counts } = await receive(parts, scratch.of('to'));
  assert.deepEqual(counts, { bytes: 4, files: 1, directories: 2, links: 1 });
  assert.equal(await readFile(scratch.of('to', 'c'), 'utf8'), 'text');
  await receive([file('', 2), data('in')], `${scratch.path}/`, 'getFile');
  assert.equal(await readFile(scratch.of('name'), 'utf8'), 'in');
});

for (const name of ['..', '.', '', '../up', '/etc/x', 'a/b', 'nul\0', 'x'.repeat(256)]) {
  test(`an entry named ${JSON.stringify(name.slice(0, 10))} is refused, whatever it is`, async () => {
    await using scratch = await Scratch.make();
    for (const entry of [file(name, 0), folder(name), link(name, 'x')]) {
      await assert.rejects(receive([folder(''), entry, leave, leave], scratch.of('in', 'to')), ProtocolError);
      assert.deepEqual(await readdir(scratch.path), ['in']);
      assert.deepEqual(await readdir(scratch.of('in')), ['to']);
      assert.deepEqual(await readdir(scratch.of('in', 'to')), []);
    }
  });
}

test('no link is written through, sent before or there already', async () => {
  await using scratch = await Scratch.make();
  const outside = await scratch.folder('outside');
  const to = await scratch.folder('to');
  const through = [folder('link'), file('x', 1), data('x'), leave, leave];
  await assert.rejects(receive([folder(''), link('link', outside), ...through], to), FileError);
  await assert.rejects(receive([folder(''), ...through], to), FileError);
  // A file does not go through a link, either: it takes its place.
  await symlink(join(outside, 'new'), join(to, 'other'));
  await receive([folder(''), file('other', 1), data('x'), leave], to);
  assert.deepEqual(await readdir(outside), []);
});

const NONSENSE: readonly (readonly [name: string, parts: readonly Uint8Array[]])[] = [
  ['more bytes than announced', [folder(''), file('a', 3), data('four'), leave]],
  ['more bytes than announced, bit by bit', [folder(''), file('a', 3), data('ab'), data('cd'), leave]],
  ['fewer bytes than announced', [folder(''), file('a', 3), data('ab')]],
  ['another file before the end of one', [folder(''), file('a', 3), file('b', 1), data('b'), leave]],
  ['bytes of no file', [folder(''), data('a'), leave]],
  ['bytes of an empty file', [folder(''), file('a', 0), data('a'), leave]],
  ['an end too early', [folder(''), folder('a'), leave]],
  ['no part at all', []],
  ['more folders left than entered', [folder(''), leave, leave]],
  ['a part after the last', [folder(''), leave, folder('')]],
  ['a file where a folder was asked for', [file('', 0)]],
  ['a second root', [folder(''), folder(''), leave, leave]],
  ['a link to nowhere at all', [folder(''), link('a', ''), leave]],
  ['a kind that is none', [part(9)]],
  ['an empty part', [new Uint8Array(0)]],
  ['a head that is not a value', [new Uint8Array([3, 1, 2, 3])]],
  ['a head that is not an object', [part(3), leave]],
  ['a name that is not bytes', [part(3, { ...HEAD, name: '' })]],
  ['a mode that is not a number', [part(3, { name: bytesOf(''), mode: '7', mtimeMs: 0 })]],
  ['a time that is none', [part(3, { name: bytesOf(''), mode: 7, mtimeMs: NaN })]],
  ['a size below nothing', [folder(''), file('a', -1), leave]],
  ['a size beyond all', [folder(''), file('a', 2 ** 60), leave]],
];

for (const [name, parts] of NONSENSE) {
  test(`${name}: refused, and no partial file is left`, async () => {
    await using scratch = await Scratch.make();
    await assert.rejects(receive(parts, scratch.of('to')), ProtocolError);
    const left = await readdir(scratch.path, { recursive: true });
    assert.deepEqual(
      left.filter(path => path.includes('.part') || path === 'to/b'),
      [],
    );
  });
}

test('a drone that was asked for a file cannot send a folder, a link or a name', async () => {
  await using scratch = await Scratch.make();
  for (const first of [folder(''), folder('a'), link('', '/etc/passwd'), link('a', 'b'), file('a', 0)]) {
    await assert.rejects(receive([first, leave], scratch.of('to'), 'getFile'), ProtocolError);
  }
  assert.deepEqual(await readdir(scratch.path), []);
});

test('bits beyond the permissions are dropped', async () => {
  await using scratch = await Scratch.make();
  await receive([part(1, { ...HEAD, name: bytesOf(''), mode: 0o104755, size: 0 })], scratch.of('to'), 'getFile');
  assert.equal((await stat(scratch.of('to'))).mode & 0o7777, 0o755);
});
