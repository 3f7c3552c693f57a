/** Reports of a way over hops that fails: which hop it was, and why, by each drone behind it. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { SshDrone, type SshDroneOptions } from '../../../../src/queue/drone/ssh-drone.js';
import { TransportError } from '../../../../src/queue/transport/transport.js';
import { leakCheck } from '../../../support/leak-check.js';
import { type Sshd, startSshd } from '../../../support/sshd.js';
import { close, openSession, refusal } from './agent-session.js';

let sshd: Sshd;
let folder: string;
before(async () => {
  sshd = await startSshd();
  folder = await mkdtemp(join(tmpdir(), 'drone-hops-'));
});
after(async () => {
  await sshd.stop();
  await rm(folder, { recursive: true });
});
leakCheck();

/** As sshd's addresses name their hops. */
function nameOf(at: number): string {
  return `${sshd.user}@${sshd.addresses[at] ?? ''}:${String(sshd.port)}`;
}

function hop(at: number, options: SshDroneOptions = {}): SshDrone {
  return new SshDrone(`hop${String(at)}`, { ...sshd.droneOptions(sshd.addresses[at]), ...options });
}

function target(options: SshDroneOptions): SshDroneOptions {
  return { ...sshd.droneOptions(sshd.addresses[9]), ...options };
}

/** A known_hosts file in which the address has the same kind of keys, but others. */
function changedKeys(at: number): string {
  const path = join(folder, `changed-${String(at)}`);
  const lines = readFileSync(sshd.knownHosts, 'utf8').trim().split('\n');
  const name = `[${sshd.addresses[at] ?? ''}]:${String(sshd.port)}`;
  writeFileSync(
    path,
    ['# one line first', ...lines.map(line => line.replace(/^\S+/, name).replace(/.{8}$/, 'AAAAAAAA'))].join('\n'),
  );
  return path;
}

test('each drone behind a hop whose key has changed reports it, with file and line', async () => {
  const knownHosts = changedKeys(1);
  const via = [hop(0), hop(1, { knownHosts })];
  for (const error of await Promise.all([refusal(target({ via })), refusal(target({ via }))])) {
    assert.equal(error.kind, 'host-key');
    assert.equal(error.code, 'ERR_HOST_KEY_CHANGED');
    const start = `via ${nameOf(1)}: host key of ${sshd.addresses[1] ?? ''}:${String(sshd.port)} changed: `;
    assert(error.message.startsWith(start), error.message);
    assert.match(error.message, /SHA256:\S+ \(a different one is recorded in \S+changed-1 line [23]\)$/);
  }
});

test('an unknown hop is reported with another code than one whose key has changed', async () => {
  const error = await refusal(target({ via: hop(0, { knownHosts: join(folder, 'none') }) }));
  assert.equal(error.code, 'ERR_HOST_KEY_UNKNOWN');
  assert(
    error.message.startsWith(`via ${nameOf(0)}: host key of `) && error.message.includes(' unknown: '),
    error.message,
  );
});

test('the hop before a dead hop in the middle of a chain reports it', async () => {
  const listener = createServer();
  await once(listener.listen(0, sshd.addresses[1]), 'listening');
  const { port } = listener.address() as AddressInfo;
  listener.close();
  await once(listener, 'close');
  const via = [hop(0), hop(1, { port }), hop(2)];
  for (const error of await Promise.all([refusal(target({ via })), refusal(target({ via }))])) {
    assert.equal(error.kind, 'unreachable');
    assert(error.message.startsWith(`via ${nameOf(0)}: ${nameOf(0)} did not connect to `), error.message);
    assert.match(error.message, /connect to 127\.0\.1\.2 port \d+: .*(refused|connect failed)/i);
  }
});

test('a hop in the middle that may not connect on, or refuses the login, is named', async () => {
  await using stubborn = await startSshd({ AllowTcpForwarding: 'no' });
  const middle = (options: SshDroneOptions): SshDrone =>
    new SshDrone('middle', { ...stubborn.droneOptions(stubborn.addresses[1]), ...options });
  const name = `${stubborn.user}@${stubborn.addresses[1] ?? ''}:${String(stubborn.port)}`;
  const closed = await refusal(target({ via: [hop(0), middle({})] }));
  assert.equal(closed.kind, 'unreachable');
  assert(
    closed.message.startsWith(`via ${name}: `) && closed.message.includes('administratively prohibited'),
    closed.message,
  );
  const strange = await refusal(target({ via: [hop(0), middle({ identity: sshd.identity })] }));
  assert.equal(strange.kind, 'auth');
  assert(strange.message.startsWith(`via ${name}: ${name} refused the login; tried: key `), strange.message);
});

test('a chain of three hops carries a drone, each entered with its own credentials', async () => {
  const session = await openSession(target({ via: [hop(0), hop(1), hop(2)] }), { input: Buffer.from('far away') });
  assert.equal(String(await session.received(8)), 'far away');
  await close(session);
});

test('a server that drips its banner is waited for until the time is up, and no longer', async () => {
  let drops = 0;
  const abort = new AbortController();
  const reason = new TransportError('timeout', 'no agent within 10 ms');
  const server = createServer(socket => {
    socket.on('error', () => undefined); // cut off by the client, as this test wants it
    const banner = 'a long notice before the version\r\n'.repeat(100);
    const drip = setInterval(() => {
      socket.write(banner[drops++] ?? '');
      if (drops === 5) abort.abort(reason);
    }, 1);
    socket.once('close', () => {
      clearInterval(drip);
      server.close();
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const closed = once(server, 'close');
  assert.equal(await refusal({ host: '127.0.0.1', port, agentSocket: false }, { signal: abort.signal }), reason);
  await closed;
});
