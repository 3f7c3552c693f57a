/** Fault 5: no way to log in is accepted. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFile, readFile } from 'node:fs/promises';
import { SshDrone } from 'drone-task-queue';
import { Scratch } from '../contract/trees.js';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { assertFailure } from './expected.js';
import { fault } from './fault.js';
import { Fleet } from './fleet.js';

leakCheck();

const SECRET = 'none of its passwords';

fault(
  {
    row: 5,
    fault: 'wrong key, wrong password, and no ssh-agent',
    injected:
      'a key that sshd does not know, a password that fits nobody, and the socket of an ssh-agent that is not there',
    sees: '`auth`, phase `auth`, one attempt, with all that was tried; all `notStarted`, back',
    within: 'at once, when the server has answered',
    withinMs: 5000,
  },
  async watch => {
    await using fleet = await Fleet.start();
    await using sshd = await startSshd({ PasswordAuthentication: 'yes' }, 4);
    await using proxy = await fleet.proxy(sshd);
    await using scratch = await Scratch.make();
    const identity = scratch.of('unknown');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', identity]);
    const drone = new SshDrone('locked', {
      ...(await fleet.behind(proxy, sshd)),
      identity,
      password: SECRET,
      agentSocket: scratch.of('no-agent'),
    });
    const calls = [drone.queueCall('run', 'true'), drone.queueCall('run', 'true')];
    const failure = await fleet.fails(drone, watch);
    assertFailure(drone, failure, {
      kind: 'auth',
      phase: 'auth',
      says: /key \S+unknown.*no-agent.*password/,
      notStarted: calls,
      back: calls,
    });
    assert.ok(!failure.message.includes(SECRET));
    // Who tries again and again is locked out.
    assert.equal(proxy.connections, 1);

    await appendFile(sshd.authorizedKeys, await readFile(`${identity}.pub`));
    await fleet.recovers(drone);
  },
);
