/** Connections that end while a command runs that ignores everything. Nothing of it is left for long. */
import assert from 'node:assert/strict';
import { endAll, processesWith, until } from '../../../../../faults/processes.js';
import { allGone, readGone } from '../../../../../support/processes-left.js';
import { descendantsOf } from '../../../../../support/process-tree.js';
import type { TcpProxy } from '../../../../../support/tcp-proxy.js';
import { failureOf, type HardCase, type Lab, type Otherwise } from './lab.js';

const LIVES_ON = 'no process on the drone notices the end of an exec channel, so a command on one lives on';

/** The server's own processes for the drone's connections. */
function sessions(lab: Lab): number[] {
  return descendantsOf(lab.host.pids).filter(({ args }) => /^(sshd:|\S*dropbear)/.test(args)).map(({ pid }) => pid); // prettier-ignore
}

function pidsOf(lab: Lab): number[] {
  return descendantsOf(lab.host.pids).map(({ pid }) => pid);
}

function killSessions(lab: Lab): void {
  for (const pid of sessions(lab)) readGone(() => process.kill(pid, 'SIGKILL'));
}

/** By its name, what ends a connection so that the drone, or both ends, notice. */
const CUTS: Readonly<Record<string, (lab: Lab, proxy: TcpProxy) => void>> = {
  'whose session is killed': killSessions,
  'that is reset': (_lab, proxy) => proxy.cut(),
  'through which nothing comes any more': (_lab, proxy) => proxy.halfOpen(),
};

/** Starts what ignores all it can, on a connection through a proxy, and cuts that. Resolves when the call is lost. */
async function cutWhileRunning(lab: Lab, cut: (lab: Lab, proxy: TcpProxy) => void): Promise<void> {
  const proxy = await lab.goThroughProxy();
  const loop = `while :; do sleep 0.1; done; : ${lab.mark}`;
  const command = `trap "" TERM HUP INT QUIT PIPE; sh -c '${loop}' & : >${lab.path('ready')}; ${loop}`;
  const running = failureOf(lab.run(command));
  await lab.untilThere('ready');
  await until(() => processesWith(lab.mark).length >= 2, 'the command and its child');
  cut(lab, proxy);
  const failure = await running;
  assert.equal(failure.kind, 'lost', failure.message);
  assert.deepEqual([failure.mayHaveRun.length, failure.notStarted.length], [1, 0]);
}

function livesOn(cut: (lab: Lab, proxy: TcpProxy) => void): Otherwise {
  return {
    where: ({ agent }) => agent === undefined,
    because: LIVES_ON,
    run: async lab => {
      await cutWhileRunning(lab, cut);
      await lab.checkNext();
      assert(processesWith(lab.mark).length >= 2, 'it has ended');
      endAll(lab.mark);
    },
  };
}

export const LINKS: readonly HardCase[] = [
  ...Object.entries(CUTS).map(([how, cut]): HardCase => ({
    name: `a connection ${how} takes along what ran over it, whatever it ignores`,
    queueOptions: { linkSilenceMs: 3000, keepaliveIntervalMs: 1000 },
    run: async lab => {
      await cutWhileRunning(lab, cut);
      await lab.noneLeft();
      await lab.checkNext();
    },
    otherwise: [livesOn(cut)],
  })),
  {
    name: 'nothing of ours is left on a drone whose idle connection is reset',
    run: async lab => {
      const before = pidsOf(lab);
      const proxy = await lab.goThroughProxy();
      const brought = pidsOf(lab).filter(pid => !before.includes(pid));
      assert(brought.length > 0);
      proxy.cut();
      await allGone(brought);
      await lab.checkNext();
    },
  },
];
