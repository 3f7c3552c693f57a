/** What refresh does, whichever agent serves it. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { temporaryFolder } from '../../../support/processes-left.js';
import type { AgentKind } from '../agents.js';

function shownByPs(pid: number, columns: string): string {
  return execFileSync('ps', ['-ww', '-o', columns, '-p', String(pid)], { encoding: 'utf8' }).trim();
}

export function refreshSuite(kinds: readonly AgentKind[]): void {
  for (const { name, isNode, start } of kinds) {
    test(`${name}: pidfiles are read before and after the processes`, async t => {
      const folder = await temporaryFolder(t);
      const paths = Array.from({ length: 100 }, (_, at) => join(folder, `pid ${String(at)}`));
      await Promise.all(paths.map(path => writeFile(path, `${path}\n`)));
      await using agent = await start();
      const { pidfiles, pidfilesSecondRead } = await agent.call('refresh', paths);
      const expected = Object.fromEntries(paths.map(path => [path, `${path}\n`]));
      assert.deepEqual(pidfiles, expected);
      assert.deepEqual(pidfilesSecondRead, expected);
    });

    test(`${name}: what is missing, a folder, a pipe or a device is left out`, async t => {
      const folder = await temporaryFolder(t);
      await mkdir(join(folder, 'folder'));
      execFileSync('mkfifo', [join(folder, 'pipe')]);
      await writeFile(join(folder, 'empty'), '');
      const paths = ['missing', 'folder', 'pipe', 'empty'].map(name => join(folder, name));
      await using agent = await start();
      const inFile = join(folder, 'empty', 'pid');
      const { pidfiles, unreadable } = await agent.call('refresh', [...paths, inFile, '/dev/zero', '__proto__']);
      assert.deepEqual(pidfiles, { [join(folder, 'empty')]: '' });
      assert.deepEqual(unreadable, {});
    });

    test(`${name}: an unreadable file is reported with its code, not as missing`, async t => {
      const loop = join(await temporaryFolder(t), 'loop');
      await symlink(loop, loop);
      await using agent = await start();
      const { pidfiles, pidfilesSecondRead, unreadable } = await agent.call('refresh', [loop]);
      assert.deepEqual([pidfiles, pidfilesSecondRead, unreadable], [{}, {}, { [loop]: 'ELOOP' }]);
    });

    test(`${name}: only the start of a file too long for a pidfile is read`, async t => {
      const folder = await temporaryFolder(t);
      const [long, longest] = [join(folder, 'long'), join(folder, 'longest')];
      await writeFile(long, 'x'.repeat(4096));
      await writeFile(longest, 'x'.repeat(100_000));
      await using agent = await start();
      const { pidfiles } = await agent.call('refresh', [long, longest]);
      assert.deepEqual([pidfiles[long]?.length, pidfiles[longest]?.length], [4096, 4097]);
    });

    test(`${name}: processes have what ps shows of them`, async () => {
      await using agent = await start();
      const { processes } = await agent.call('refresh', []);
      const own = processes.find(({ pid }) => pid === agent.pid);
      assert.ok(own !== undefined);
      const [ppid = '', pgid = '', comm] = shownByPs(agent.pid, 'ppid=,pgid=,comm=').split(/\s+/);
      assert.deepEqual([own.ppid, own.pgid, own.comm], [Number(ppid), Number(pgid), comm]);
      assert.equal(own.args, shownByPs(agent.pid, 'args='));
      if (isNode) assert.match(own.args, / -e \(function\(\).* drone-/);
    });

    test(`${name}: a process that calls itself by what looks like another is shown as it is`, async () => {
      await using agent = await start();
      const args = 'x) S 1 1 1\n2 (init) S 0 0\n==> /proc/1/cmdline <==\nü';
      const script = 'printf "%s" "a) R 1 1" >/proc/self/comm; echo; read -r end';
      const child = spawn('/bin/sh', ['-c', script, args], { argv0: args, stdio: ['pipe', 'pipe', 'ignore'] });
      try {
        await once(child.stdout, 'data');
        const { processes } = await agent.call('refresh', []);
        const found = processes.find(({ pid }) => pid === child.pid);
        assert.deepEqual([found?.comm, found?.args], ['a) R 1 1', `${args} -c ${script} ${args}`]);
      } finally {
        child.stdin.end();
        await once(child, 'close');
      }
    });

    test(`${name}: paths that make no sense are refused by name`, async () => {
      await using agent = await start();
      assert.match((await agent.fail('refresh', '/a')).message, /refresh: pidfilePaths is '\/a', expected a list/);
      assert.match((await agent.fail('refresh', ['/a', 5])).message, /refresh: pidfilePaths\[1\] is 5/);
    });
  }
}
