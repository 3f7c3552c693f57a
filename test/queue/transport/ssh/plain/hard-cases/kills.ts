/** KILL for what a command runs under, by the command or by others. The result is right, or the call is lost. */
import assert from 'node:assert/strict';
import { processesWith, until } from '../../../../../faults/processes.js';
import { readGone } from '../../../../../support/processes-left.js';
import { descendantsOf, type RunningProcess, runningProcesses } from '../../../../../support/process-tree.js';
import { equalSaid, type HardCase, type Lab, lostOr, type Said } from './lab.js';

const KILL_GROUP = [
  'kill -9 0',
  'sh -c "kill -9 0"',
  'kill -9 $$ 0',
  'sleep 1000 & kill -9 0',
  'trap "" TERM; kill -9 0',
];

/** More than there are between a command and the server's own process. */
const GENERATIONS = 5;

/** Prints the status with which it could kill an ancestor, of which the server's own processes are spared. */
function killAncestor({ host }: Lab, generation: number): string {
  const isServer = `case " ${host.pids.join(' ')} 1 0 " in *" $p "*)`;
  const up = 'q=$p; p=0; while read -r k v; do if [ "$k" = PPid: ]; then p=$v; fi; done </proc/$q/status';
  return [
    `p=$$; echo before; for _ in ${'x '.repeat(generation)}; do ${isServer} ;; *) ${up};; esac; done`,
    `${isServer} echo none; exit 3;; esac; kill -s KILL $p 2>/dev/null; echo after $?; exit 3`,
  ].join('; ');
}

function isRightBesideKill({ exitCode, signal, stdout }: Said): void {
  assert.deepEqual([exitCode, signal], [3, null]);
  assert.match(stdout.toString(), /^before\n(none|after [01])\n$/);
}

/** The processes of the drone's connections, but for those that run a command with the mark, or descend from such. */
function residents(lab: Lab): RunningProcess[] {
  const all = runningProcesses();
  const own = processesWith(lab.mark);
  const spared = new Set([...own, ...descendantsOf(own, all).map(({ pid }) => pid)]);
  return descendantsOf(lab.host.pids, all).filter(({ pid }) => !spared.has(pid));
}

/** Those of an earlier connection may be about to end. */
async function settledResidents(lab: Lab): Promise<RunningProcess[]> {
  let found = residents(lab);
  await until(() => {
    const before = found.length;
    found = residents(lab);
    return found.length > 0 && found.length === before;
  }, 'as many processes as before');
  return found;
}

function isServer({ args }: RunningProcess): boolean {
  return /^(sshd:|\S*dropbear)/.test(args);
}

function kill(pid: number): void {
  readGone(() => process.kill(pid, 'SIGKILL'));
}

export const KILLS: readonly HardCase[] = [
  {
    name: 'a command that kills its group is reported by the signal, or lost',
    isQuick: true,
    run: async lab => {
      for (const command of KILL_GROUP) {
        await lostOr(lab.said(`echo before; ${command}; sleep 1; echo after`), said => {
          equalSaid(said, { signal: 'SIGKILL', stdout: 'before\n' }, command);
        });
      }
    },
  },
  {
    name: 'a command leads its process group',
    run: async lab =>
      equalSaid(await lab.said('echo a; kill -s KILL -- -$$; echo b'), { signal: 'SIGKILL', stdout: 'a\n' }),
  },
  ...Array.from({ length: GENERATIONS }, (_, at): HardCase => ({
    name: `a command that kills its ancestor ${String(at + 1)} gives what it printed, or is lost`,
    isQuick: at === 0,
    run: async lab => {
      await lostOr(lab.said(killAncestor(lab, at + 1)), isRightBesideKill);
    },
  })),
  {
    name: 'a command that is killed from outside is reported by the signal',
    run: async lab => {
      const running = lab.said(`echo $$ >${lab.path('pid')}; : ${lab.mark}; while :; do sleep 0.1; done`);
      await until(() => processesWith(lab.mark).length > 0, 'the command');
      await lab.untilThere('pid');
      processesWith(lab.mark).forEach(kill);
      equalSaid(await running, { signal: 'SIGKILL' });
    },
  },
  {
    name: 'a process under which a command runs is killed: the result is right, or the call is lost',
    where: ({ ownPids = false }) => !ownPids,
    run: async lab => {
      for (let at = 0; ; at++) {
        const [ready, go] = [`ready-${String(at)}`, `go-${String(at)}`];
        const command = `: >${lab.path(ready)}; echo before; ${lab.waitFor(go)}; echo done; : ${lab.mark}; exit 3`;
        const running = lab.said(command);
        await lab.untilThere(ready);
        const victim = (await settledResidents(lab))[at];
        if (victim !== undefined) kill(victim.pid);
        await lab.touch(go);
        const what = `killed: ${victim?.args ?? 'nothing'}`;
        await lostOr(running, said => equalSaid(said, { exitCode: 3, stdout: 'before\ndone\n' }, what));
        await lab.noneLeft();
        // Without a process of its own, a server may go on for a while.
        if (victim !== undefined && isServer(victim))
          await lostOr(lab.said('echo x'), said => equalSaid(said, { stdout: 'x\n' }));
        await lab.checkNext();
        if (victim === undefined) return assert(at > 0, 'no process was found');
      }
    },
  },
  {
    name: 'a process of an idle connection is killed: the next call is right, or lost, and the one behind it right',
    where: ({ ownPids = false }) => !ownPids,
    run: async lab => {
      for (let at = 0; ; at++) {
        const victim = (await settledResidents(lab))[at];
        if (victim === undefined) return assert(at > 0, 'no process was found');
        kill(victim.pid);
        await lostOr(lab.said('echo out; exit 3'), said =>
          equalSaid(said, { exitCode: 3, stdout: 'out\n' }, victim.args),
        );
        await lab.checkNext();
      }
    },
  },
];
