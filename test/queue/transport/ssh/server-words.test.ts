/** What a server, or an ssh-agent, gives as its reason is in the message of the failure, cut and harmless. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { TransportError } from '../../../../src/queue/transport/transport.js';
import { leakCheck } from '../../../support/leak-check.js';
import { startSshd } from '../../../support/sshd.js';
import { close, openSession, refusal } from './agent-session.js';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'drone-words-'));
});
after(() => rmSync(folder, { recursive: true }));
leakCheck();

let files = 0;
function keyFile(): string {
  const path = join(folder, `key-${String(files++)}`);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path]);
  return path;
}

test('a server that has too many logins says so', async () => {
  await using sshd = await startSshd({ MaxStartups: '1:100:1' });
  const idle = connect(sshd.port, sshd.addresses[0]);
  await once(idle, 'data');
  const error = await refusal(sshd.droneOptions());
  idle.destroy();
  assert.equal(error.kind, 'unreachable');
  assert.match(error.message, /closed the connection before the handshake.*; it said: Exceeded MaxStartups$/);
});

for (const [what, sent, says] of [
  ['one line', 'Not allowed at this time\r\n', /; it said: Not allowed at this time$/],
  ['a forged log line', 'no\u001b[2J\nERROR: all lost\n', /; it said: no \[2J ERROR: all lost$/],
  ['a flood', 'x'.repeat(1000), /; it said: x{300}…$/],
  ['nothing', '', /before the handshake$/],
] as const) {
  test(`what a server says in place of its version is in the message: ${what}`, async () => {
    const sockets = new Set<Socket>();
    const server = createServer(socket => {
      sockets.add(socket.resume().on('error', () => undefined));
      socket.end(sent);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const error = await refusal({ host: '127.0.0.1', port, agentSocket: false });
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
    assert.equal(error.kind, 'unreachable');
    assert.match(error.message, says);
  });
}

test('the banner of a server is reported when it refuses the login', async () => {
  const banner = join(folder, 'banner');
  writeFileSync(banner, 'System is booting up.\u001b[2J\nCome back later.\n');
  await using sshd = await startSshd({ Banner: banner });
  const error = await refusal({ ...sshd.droneOptions(), identity: keyFile() });
  assert.equal(error.kind, 'auth');
  assert.match(error.message, /; it said: System is booting up\.\s*\S* Come back later\.; give /);
  assert(!error.message.includes('\u001b'));
  await close(await openSession(sshd.droneOptions()));
});

test('a server that shares no algorithm with us says which it has', async () => {
  await using sshd = await startSshd({ Ciphers: 'aes256-ctr,aes192-ctr' });
  const error = await refusal({ ...sshd.droneOptions(), ciphers: ['aes128-ctr'] });
  assert.equal(error.kind, 'unreachable');
  assert.match(error.message, /no matching C->S cipher; the server offers: aes256-ctr, aes192-ctr$/);
  const kex = await startSshd({ KexAlgorithms: 'ecdh-sha2-nistp521' });
  const other = await refusal({ ...kex.droneOptions(), kex: ['curve25519-sha256'] });
  await kex.stop();
  assert.match(other.message, /no matching key exchange algorithm; the server offers: ecdh-sha2-nistp521/);
});

test('a server that has only certificates as host keys is named as such', async () => {
  const [authority, host] = [keyFile(), keyFile()];
  execFileSync('ssh-keygen', ['-q', '-s', authority, '-I', 'host', '-h', `${host}.pub`], { stdio: 'ignore' });
  await using sshd = await startSshd({
    HostKey: host,
    HostCertificate: `${host}-cert.pub`,
    HostKeyAlgorithms: 'ssh-ed25519-cert-v01@openssh.com',
  });
  const error = await refusal({ ...sshd.droneOptions(), knownHosts: join(folder, 'absent') });
  assert.equal(error.kind, 'unreachable');
  assert.match(error.message, /the server offers: ssh-ed25519-cert-v01@openssh\.com; certificates are not supported$/);
});

test('a certificate that is not offered is named when the login fails, of a file and of an ssh-agent', async () => {
  const [authority, key] = [keyFile(), keyFile()];
  execFileSync('ssh-keygen', ['-q', '-s', authority, '-I', 'me', '-n', 'drone', `${key}.pub`], { stdio: 'ignore' });
  const trusted = join(folder, 'trusted.pub');
  copyFileSync(`${authority}.pub`, trusted);
  await using sshd = await startSshd({ TrustedUserCAKeys: trusted, AuthorizedKeysFile: 'none' });
  const error = await refusal({ ...sshd.droneOptions(), identity: key });
  assert.equal(error.kind, 'auth');
  assert.match(
    error.message,
    /; not offered because certificates are not supported: \S+-cert\.pub; the server accepts: publickey/,
  );
  const socket = join(folder, 'agent.sock');
  const agent: ChildProcess = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(agent.stdout as NonNullable<typeof agent.stdout>, 'data');
  try {
    execFileSync('ssh-add', ['-q', key], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'ignore' });
    const ofAgent = await refusal({ ...sshd.droneOptions(), identity: [], agentSocket: socket });
    assert.match(ofAgent.message, /certificates are not supported: those of ssh-agent /);
  } finally {
    agent.kill();
    await once(agent, 'exit');
  }
});

test('a mute ssh-agent is named when the time is up', async () => {
  await using sshd = await startSshd();
  const path = join(folder, 'mute.sock');
  const abort = new AbortController();
  const sockets = new Set<Socket>();
  const mute = createServer(socket => {
    sockets.add(socket.on('error', () => undefined));
    socket.once('data', () => abort.abort(new TransportError('timeout', 'no agent within 5 ms')));
  });
  await once(mute.listen(path), 'listening');
  const options = { ...sshd.droneOptions(), identity: [], agentSocket: path };
  const error = await refusal(options, { signal: abort.signal });
  for (const socket of sockets) socket.destroy();
  mute.close();
  await once(mute, 'close');
  assert.equal(error.kind, 'auth');
  assert.match(error.message, /waits for the ssh-agent \S+mute\.sock to list its keys; no login within 5 ms$/);
});
