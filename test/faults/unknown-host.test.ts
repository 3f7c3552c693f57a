/** Fault 6: an unknown host. */
import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { SshDrone } from 'drone-task-queue';
import { Scratch } from '../contract/trees.js';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { assertFailure } from './expected.js';
import { fault } from './fault.js';
import { Fleet, optionsAt } from './fleet.js';
import { until } from '../support/until.js';

leakCheck();

/** In sshd's log, of who tries to log in. */
const LOGIN = 'userauth-request for user';

fault(
  {
    row: 6,
    fault: 'the host key is unknown',
    injected: 'no known_hosts file',
    sees:
      '`host-key`, `cause.code` `ERR_HOST_KEY_UNKNOWN`, with the fingerprint, before any credential is sent; ' +
      'all calls `notStarted` and back',
    within: 'at once',
    withinMs: 2000,
  },
  async watch => {
    await using fleet = await Fleet.start();
    await using sshd = await startSshd({ LogLevel: 'DEBUG1' }, 1);
    await using scratch = await Scratch.make();
    const knownHosts = scratch.of('known_hosts');
    const drone = new SshDrone('stranger', { ...optionsAt(sshd, 0), knownHosts });
    const calls = [drone.queueCall('run', 'true'), drone.queueCall('run', 'true')];
    const failure = await fleet.fails(drone, watch);
    assertFailure(drone, failure, {
      kind: 'host-key',
      phase: 'handshake',
      code: 'ERR_HOST_KEY_UNKNOWN',
      says: /SHA256:[\w+/]{43} \(not in \S+known_hosts\)/,
      notStarted: calls,
      back: calls,
    });
    const isLogin = (line: string): boolean => line.includes(LOGIN);
    await until(() => sshd.log.some(line => /Connection (closed|reset)|Received disconnect/.test(line)));
    assert.ok(!sshd.log.some(isLogin), 'a login was tried');

    await copyFile(sshd.knownHosts, knownHosts);
    await fleet.recovers(drone);
    await until(() => sshd.log.some(isLogin));
  },
);
