import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { leakCheck } from '../../support/leak-check.js';
import { temporaryFolder } from '../../support/processes-left.js';
import { startAgent } from './spawn-agent.js';

leakCheck();

test('pidfiles are read before and after the processes', async t => {
  const folder = await temporaryFolder(t);
  const paths = Array.from({ length: 100 }, (_, at) => join(folder, `pid ${String(at)}`));
  await Promise.all(paths.map(path => writeFile(path, `${path}\n`)));
  await using agent = await startAgent();
  const { pidfiles, pidfilesSecondRead } = await agent.call('refresh', paths);
  const expected = Object.fromEntries(paths.map(path => [path, `${path}\n`]));
  assert.deepEqual(pidfiles, expected);
  assert.deepEqual(pidfilesSecondRead, expected);
});

test('what is missing, a folder, a pipe or a device is left out', async t => {
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, 'folder'));
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  await writeFile(join(folder, 'empty'), '');
  const paths = ['missing', 'folder', 'pipe', 'empty'].map(name => join(folder, name));
  await using agent = await startAgent();
  const inFile = join(folder, 'empty', 'pid');
  const { pidfiles, unreadable } = await agent.call('refresh', [...paths, inFile, '/dev/zero', '__proto__']);
  assert.deepEqual(pidfiles, { [join(folder, 'empty')]: '' });
  assert.deepEqual(unreadable, {});
});

test('what cannot be read is told with its code, and is not taken for missing', async t => {
  const loop = join(await temporaryFolder(t), 'loop');
  await symlink(loop, loop);
  await using agent = await startAgent();
  const { pidfiles, pidfilesSecondRead, unreadable } = await agent.call('refresh', [loop]);
  assert.deepEqual([pidfiles, pidfilesSecondRead, unreadable], [{}, {}, { [loop]: 'ELOOP' }]);
});

test('of a file that is no pidfile by its length, only the start is read', async t => {
  const folder = await temporaryFolder(t);
  const [long, longest] = [join(folder, 'long'), join(folder, 'longest')];
  await writeFile(long, 'x'.repeat(4096));
  await writeFile(longest, 'x'.repeat(100_000));
  await using agent = await startAgent();
  const { pidfiles } = await agent.call('refresh', [long, longest]);
  assert.deepEqual([pidfiles[long]?.length, pidfiles[longest]?.length], [4096, 4097]);
});

test('processes have what ps shows of them', async () => {
  await using agent = await startAgent();
  const { processes } = await agent.call('refresh', []);
  const own = processes.find(({ pid }) => pid === agent.pid);
  assert.ok(own !== undefined);
  const { ppid, pgid, comm, args } = own;
  assert.deepEqual({ ppid, pgid }, { ppid: process.pid, pgid: agent.pid });
  assert.equal(comm, execFileSync('ps', ['-o', 'comm=', '-p', String(agent.pid)], { encoding: 'utf8' }).trim());
  assert.match(args, / -e \(function\(\).* drone-/);
});

test('arguments that make no sense are refused by name', async () => {
  await using agent = await startAgent();
  assert.match((await agent.fail('refresh', '/a')).message, /refresh: pidfilePaths is '\/a', expected a list/);
  assert.match((await agent.fail('refresh', ['/a', 5])).message, /refresh: pidfilePaths\[1\] is 5/);
});
