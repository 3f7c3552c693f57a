/** Fault 3: an sshd that drops connections before it has said who it is. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { SshDrone } from 'drone-task-queue';
import { leakCheck } from '../support/leak-check.js';
import { type Sshd, startSshd } from '../support/sshd.js';
import { assertFailure } from './expected.js';
import { fault } from './fault.js';
import { CONNECT_MS, Fleet, optionsAt } from './fleet.js';
import { until } from '../support/until.js';

leakCheck();

const SHORT_MS = 4000;
const FULL = { MaxStartups: '1:100:1', LoginGraceTime: '60' };
const INJECTED = '`MaxStartups 1:100:1`, and a connection that does not log in';

fault(
  {
    row: 3,
    fault: 'sshd drops connections for a while',
    injected: INJECTED,
    sees: 'its results: the connection is retried at random intervals',
    within: 'connect timeout',
    withinMs: CONNECT_MS,
  },
  async ({ inTime }) => {
    await using fleet = await Fleet.start();
    await using sshd = await startSshd(FULL, 4);
    const taken = await takePlace(sshd);
    await using proxy = await fleet.proxy(sshd);
    const drone = new SshDrone('crowded', await fleet.behind(proxy, sshd));
    const call = drone.queueCall('run', 'echo in');
    const round = fleet.succeeds(drone, async () => {
      await until(() => proxy.connections > 1);
      taken.destroy();
    });
    assert.equal(call.valueIn(await inTime(round)).stdout, 'in\n');
  },
);

fault(
  {
    row: 3,
    fault: 'sshd drops every connection',
    injected: INJECTED,
    sees: '`unreachable`, phase `handshake`, with the number of attempts; all calls `notStarted` and back',
    within: 'connect timeout, and the pauses between attempts',
    withinMs: 2 * SHORT_MS,
  },
  async watch => {
    await using fleet = await Fleet.start();
    await using sshd = await startSshd(FULL, 1);
    const taken = await takePlace(sshd);
    const drone = new SshDrone('full', { ...optionsAt(sshd, 0), connectTimeoutMs: SHORT_MS });
    const calls = [drone.queueCall('run', 'true'), drone.queueCall('run', 'true')];
    const failure = await fleet.fails(drone, watch);
    taken.destroy();
    assertFailure(drone, failure, {
      kind: 'unreachable',
      phase: 'handshake',
      attempts: 'several',
      says: /closed the connection before the handshake, \d+ times/,
      notStarted: calls,
      back: calls,
    });
    await fleet.recovers(drone);
  },
);

/** The one that the server has for those who have not logged in. */
async function takePlace(sshd: Sshd): Promise<Socket> {
  const taken = connect(sshd.port, sshd.addresses[0]);
  await once(taken, 'data');
  return taken;
}
