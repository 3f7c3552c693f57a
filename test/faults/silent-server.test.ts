/** Fault 2: a server that takes the connection and says nothing. */
import { SshDrone } from 'drone-task-queue';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { assertFailure } from './expected.js';
import { fault } from './fault.js';
import { Fleet, optionsAt } from './fleet.js';

leakCheck();

const CONNECT_MS = 4000;

fault(
  {
    row: 2,
    fault: 'the server accepts the connection and never sends its banner',
    injected: 'SIGSTOP to sshd',
    sees: '`timeout`, phase `handshake`; all calls `notStarted` and back',
    within: 'connect timeout',
    withinMs: CONNECT_MS,
  },
  async watch => {
    await using fleet = await Fleet.start();
    await using sshd = await startSshd({}, 1);
    const drone = new SshDrone('silent', { ...optionsAt(sshd, 0), connectTimeoutMs: CONNECT_MS });
    const calls = [drone.queueCall('run', 'true'), drone.queueCall('run', 'true')];
    signal(sshd.pids, 'SIGSTOP');
    try {
      const failure = await fleet.fails(drone, watch);
      assertFailure(drone, failure, {
        kind: 'timeout',
        phase: 'handshake',
        says: /no agent within 4000 ms/,
        notStarted: calls,
        back: calls,
      });
    } finally {
      // Stopped it would not take its end.
      signal(sshd.pids, 'SIGCONT');
    }
    await fleet.recovers(drone);
  },
);

function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) process.kill(pid, name);
}
