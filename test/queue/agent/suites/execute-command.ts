/** What executeCommand does, whichever agent serves it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, mkdir, open, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecuteCommandOptions } from '../../../../src/queue/wire/methods.js';
import { isRunning, killGroup, temporaryFolder } from '../../../support/processes-left.js';
import type { AgentKind } from '../agents.js';

export const options = (
  workingDirectory: string,
  more: Partial<ExecuteCommandOptions> = {},
): ExecuteCommandOptions => ({
  workingDirectory,
  pidfileName: 'pid',
  logFile: 'log',
  ...more,
});

/** The pidfile once the command has ended. No event tells: its parent is not ours. */
async function finishedPidfile(path: string): Promise<string> {
  for (;;) {
    const text = await readFile(path, 'utf8');
    if (text.split('\n').length > 2) return text;
    await delay(5);
  }
}

export function fifo(path: string): string {
  execFileSync('mkfifo', [path]);
  return path;
}

const BAD_ARGUMENTS: readonly (readonly [args: unknown[], message: RegExp])[] = [
  [['ls'], /executeCommand: command is 'ls', expected a list/],
  [[[]], /executeCommand: command is \[\], expected a list with at least the program/],
  [[['']], /executeCommand: command\[0\] is ''/],
  [[['ls', 5]], /executeCommand: command\[1\] is 5/],
  [[['ls']], /executeCommand: options is undefined/],
  [[['ls'], { pidfileName: 'p' }], /options\.workingDirectory is undefined/],
  [[['ls'], { workingDirectory: '/tmp' }], /options\.pidfileName is undefined/],
  [[['ls'], { workingDirectory: '/tmp', pidfileName: '../p' }], /options\.pidfileName is '\.\.\/p', expected a plain/],
  [[['ls'], { workingDirectory: '/tmp', pidfileName: 'p', logFile: 5 }], /options\.logFile is 5/],
  [
    [['ls'], { workingDirectory: '/tmp', pidfileName: 'p', log: 'l' }],
    /unknown option 'executeCommand: options.log', expected one of/,
  ],
];

export function executeCommandSuite(kinds: readonly AgentKind[]): void {
  for (const { name, start } of kinds) {
    test(`${name}: the pidfile holds the pid at once and the exit status at the end; the log has a dated header`, async t => {
      const folder = join(await temporaryFolder(t), 'made', 'for it');
      await using agent = await start();
      const command = ['sh', '-c', 'echo out $0 "$1"; echo err >&2; echo $VARIABLE; exit 3', "it's", '$HOME "x"'];
      const { pid } = await agent.call('executeCommand', command, options(folder, { env: { VARIABLE: 'set' } }));
      assert.equal((await readFile(join(folder, 'pid'), 'utf8')).split('\n')[0], String(pid));
      assert.equal(await finishedPidfile(join(folder, 'pid')), `${String(pid)}\n3\n`);
      const log = await readFile(join(folder, 'log'), 'utf8');
      assert.match(log, /^\n--- \d{4}-\d\d-\d\dT[\d:.]+Z \/\S+\/sh ---\nout it's \$HOME "x"\nerr\nset\n$/);
      assert.deepEqual((await readdir(folder)).sort(), ['log', 'pid']);
    });

    test(`${name}: the log is appended to`, async t => {
      const folder = await temporaryFolder(t);
      await using agent = await start();
      for (const [at, word] of ['one', 'two'].entries()) {
        await agent.call('executeCommand', ['echo', word], options(folder, { pidfileName: `pid${String(at)}` }));
        await finishedPidfile(join(folder, `pid${String(at)}`));
      }
      assert.match(await readFile(join(folder, 'log'), 'utf8'), /---\none\n\n---.*---\ntwo\n$/);
    });

    test(`${name}: a command lives on when the agent is gone, and its status is still written`, async t => {
      const folder = await temporaryFolder(t);
      execFileSync('mkfifo', [join(folder, 'gate')]);
      const agent = await start();
      const { pid } = await agent.call('executeCommand', ['cat', 'gate'], options(folder, { logFile: undefined }));
      await agent.end();
      assert.ok(isRunning(pid));
      await (await open(join(folder, 'gate'), 'w')).close();
      assert.equal(await finishedPidfile(join(folder, 'pid')), `${String(pid)}\n0\n`);
    });

    test(`${name}: the pid leads the process group of the command, and killProcesses ends it with a status`, async t => {
      const folder = await temporaryFolder(t);
      // Time for the leader to write the status, on any machine.
      await using agent = await start({ config: { killGraceMs: 60_000 } });
      const { pid } = await agent.call('executeCommand', ['sleep', '1000'], options(folder));
      t.after(() => {
        killGroup(pid);
      });
      const isSleeping = async (): Promise<boolean> => {
        const { processes } = await agent.call('refresh', []);
        return processes.some(each => each.pgid === pid && each.comm === 'sleep');
      };
      while (!(await isSleeping()));
      assert.deepEqual(await agent.call('killProcesses', [{ hostname: 'here', pid }]), [{ pid, killed: true }]);
      assert.equal(await readFile(join(folder, 'pid'), 'utf8'), `${String(pid)}\n143\n`);
    });

    test(`${name}: a command that a signal ends has 128 and its number as status`, async t => {
      const folder = await temporaryFolder(t);
      await using agent = await start();
      const { pid } = await agent.call('executeCommand', ['sh', '-c', 'kill -9 $$'], options(folder));
      assert.equal(await finishedPidfile(join(folder, 'pid')), `${String(pid)}\n137\n`);
    });

    test(`${name}: a command that is a word of the shell is a program all the same`, async t => {
      const folder = await temporaryFolder(t);
      await using agent = await start();
      await agent.call('executeCommand', ['echo', '-n', 'from the program'], options(folder));
      await finishedPidfile(join(folder, 'pid'));
      assert.match(await readFile(join(folder, 'log'), 'utf8'), /---\nfrom the program$/);
      assert.equal((await agent.fail('executeCommand', ['exit', '3'], options(folder))).code, 'ENOENT');
    });

    test(`${name}: a pidfile whose command still runs is not replaced, and one of another process is`, async t => {
      const folder = await temporaryFolder(t);
      const pidfile = join(folder, 'pid');
      await using agent = await start();
      // A process that runs, and was not started with this pidfile.
      await writeFile(pidfile, `${String(process.pid)}\n`);
      const { pid } = await agent.call('executeCommand', ['sleep', '1000'], options(folder));
      t.after(() => {
        killGroup(pid);
      });
      const log = await readFile(join(folder, 'log'), 'utf8');
      const { code, message } = await agent.fail('executeCommand', ['touch', 'ran'], options(folder));
      assert.equal(code, 'EEXIST', message);
      const words = `: the pidfile ${pidfile} names the process ${String(pid)}, which still runs`;
      assert.match(message, /^executeCommand: cannot start \/\S*\/touch: /);
      assert.ok(message.endsWith(words), message);
      assert.equal(await readFile(pidfile, 'utf8'), `${String(pid)}\n`);
      assert.equal(await readFile(join(folder, 'log'), 'utf8'), log);
      assert.deepEqual((await readdir(folder)).sort(), ['log', 'pid']);
      // Its leader cannot write a status any more.
      killGroup(pid);
      while (isRunning(pid)) await delay(5);
      await agent.call('executeCommand', ['true'], options(folder));
      await finishedPidfile(pidfile);
      await agent.call('executeCommand', ['true'], options(folder));
      await finishedPidfile(pidfile);
    });

    test(`${name}: a program that cannot be started is an error, and leaves no pidfile`, async t => {
      const folder = await temporaryFolder(t);
      await writeFile(join(folder, 'plain'), 'text');
      await mkdir(join(folder, 'folder'));
      await using agent = await start();
      const cases = [
        ['no-such-program', 'ENOENT', /no-such-program in PATH .* does not exist/],
        ['./nothing', 'ENOENT', /\/nothing: it does not exist/],
        ['./plain', 'EACCES', /\/plain: it is not an executable file/],
        ['./folder', 'EACCES', /\/folder: it is not an executable file/],
      ] as const;
      for (const [program, code, message] of cases) {
        const error = await agent.fail('executeCommand', [program], options(folder));
        assert.equal(error.code, code);
        assert.match(error.message, message);
      }
      assert.deepEqual((await readdir(folder)).sort(), ['folder', 'plain']);
    });

    test(`${name}: a program is found where the PATH of the call says, and beside the working directory`, async t => {
      const folder = await temporaryFolder(t);
      await mkdir(join(folder, 'bin'));
      await writeFile(join(folder, 'bin', 'own'), '#!/bin/sh\necho own $1\n');
      await chmod(join(folder, 'bin', 'own'), 0o755);
      await using agent = await start();
      const env = { PATH: `${join(folder, 'bin')}:/usr/bin:/bin` };
      await agent.call('executeCommand', ['own', 'by-path'], options(folder, { env, pidfileName: 'one' }));
      await finishedPidfile(join(folder, 'one'));
      await agent.call('executeCommand', ['bin/own', 'relative'], options(folder, { pidfileName: 'two' }));
      await finishedPidfile(join(folder, 'two'));
      assert.match(await readFile(join(folder, 'log'), 'utf8'), /own by-path\n[^]*own relative\n/);
    });

    test(`${name}: nothing runs when the pidfile cannot be written`, async t => {
      const folder = await temporaryFolder(t);
      await mkdir(join(folder, 'pid', 'in the way'), { recursive: true });
      await using agent = await start();
      const error = await agent.fail('executeCommand', ['touch', 'ran'], options(folder));
      assert.match(String(error.code), /EISDIR|ENOTEMPTY|EEXIST/);
      assert.ok(!(await readdir(folder)).includes('ran'));
    });

    test(`${name}: arguments of a command that make no sense are refused by name`, async () => {
      await using agent = await start();
      for (const [args, message] of BAD_ARGUMENTS) {
        const error = await agent.fail('executeCommand', ...args);
        assert.match(error.message, message);
        assert.equal(error.code, 'ERR_INVALID_ARG');
      }
    });
  }

  for (const { name, start } of kinds.filter(({ isNode }) => !isNode)) {
    test(`${name}: a call that was given up while its log hung never starts, and its variables are not shown`, async t => {
      const folder = await temporaryFolder(t);
      const log = fifo(join(folder, 'log'));
      const secret = randomUUID();
      await using agent = await start({ config: { killGraceMs: 1000, env: { OTHER: secret } } });
      const batch = agent.newBatch();
      agent.sendCall(batch, 0, 'executeCommand', [['touch', 'ran'], options(folder, { env: { SECRET: secret } })]);
      for (let isHanging = false; !isHanging;) {
        const { processes } = await agent.call('refresh', []);
        isHanging = processes.some(({ comm, args }) => comm === 'tee' && args.includes(log));
        assert.deepEqual(
          processes.filter(({ args }) => args.includes(secret)),
          [],
        );
      }
      agent.cancel(batch, 0);
      const { kind, killed } = await agent.failure(batch, 0);
      assert.deepEqual([kind, killed], ['cancelled', true]);
      assert.deepEqual(await readdir(folder), ['log']);
      const { processes } = await agent.call('refresh', []);
      assert.deepEqual(
        processes.filter(({ args }) => args.includes(folder)),
        [],
      );
    });

    test(`${name}: a command has the environment of login, drone and call, and no signal is ignored`, async t => {
      const folder = await temporaryFolder(t);
      await using agent = await start({ cwd: folder, config: { env: { ONE: 'drone', TWO: 'drone' } } });
      const command = [
        'sh',
        '-c',
        'pwd; echo "$HOME $ONE $TWO"; grep SigIgn /proc/self/status; [ -e /proc/$$/fd/3 ] || echo closed',
      ];
      const env = { TWO: "it's\n☃ $(x)" };
      await agent.call('executeCommand', command, options('in', { env }));
      await finishedPidfile(join(folder, 'in', 'pid'));
      const [, ...lines] = (await readFile(join(folder, 'in', 'log'), 'utf8')).trim().split('---\n');
      assert.deepEqual(
        lines
          .join('')
          .replaceAll(/[ \t]+/g, ' ')
          .split('\n'),
        [join(folder, 'in'), `${folder} drone it's`, '☃ $(x)', 'SigIgn: 0000000000000000', 'closed'],
      );
    });

    test(`${name}: more than the system takes as arguments is an error with the system's code`, async t => {
      const folder = await temporaryFolder(t);
      await using agent = await start();
      const sets = [['x'.repeat(131_072)], Array.from({ length: 40 }, () => 'x'.repeat(100_000))];
      for (const args of sets) {
        const error = await agent.fail('executeCommand', ['true', ...args], options(folder));
        assert.equal(error.code, 'E2BIG');
        assert.match(error.message, /^cannot start \S*true in working directory .*: spawn E2BIG$/);
      }
      assert.ok(!(await readdir(folder)).includes('pid'));
    });
  }
}
