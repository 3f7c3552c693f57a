/** Fault 5: no way to log in is accepted. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFile, readFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { SshDrone } from 'drone-task-queue';
import { Scratch } from '../contract/trees.js';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { assertFailure } from './expected.js';
import { fault } from './fault.js';
import { Fleet } from './fleet.js';

leakCheck();

const CONNECT_MS = 4000;
const SECRET = 'none of its passwords';

fault(
  {
    row: 5,
    fault: 'wrong key, wrong password, and no ssh-agent',
    injected: 'an unknown key, a wrong password, and the socket of a missing ssh-agent',
    sees: '`auth`, phase `auth`, one attempt, with everything that was tried; all calls `notStarted` and back',
    within: "at once, after the server's answer",
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

fault(
  {
    row: 5,
    fault: 'an ssh-agent that never answers',
    injected: 'the socket of a program that takes connections and says nothing',
    sees: '`auth`, phase `auth`, one attempt, with the socket that is waited for; all `notStarted`, back',
    within: 'connect time-out',
    withinMs: CONNECT_MS,
  },
  async watch => {
    await using fleet = await Fleet.start();
    await using scratch = await Scratch.make();
    const agentSocket = scratch.of('mute.sock');
    const sockets = new Set<Socket>();
    const mute = createServer(socket => void sockets.add(socket.on('error', () => undefined)));
    await once(mute.listen(agentSocket), 'listening');
    try {
      const options = { ...fleet.droneOptions(), connectTimeoutMs: CONNECT_MS };
      const drone = new SshDrone('mute', { ...options, identity: [], agentSocket });
      const calls = [drone.queueCall('run', 'true'), drone.queueCall('run', 'true')];
      const failure = await fleet.fails(drone, watch);
      assertFailure(drone, failure, {
        kind: 'auth',
        phase: 'auth',
        says: /waits for the ssh-agent \S+mute\.sock to list its keys/,
        notStarted: calls,
        back: calls,
      });
    } finally {
      for (const socket of sockets) socket.destroy();
      mute.close();
      await once(mute, 'close');
    }
  },
);
