/** The ssh transport against a real OpenSSH server. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { leakCheck } from '../../../support/leak-check.js';
import { type Sshd, startSshd } from '../../../support/sshd.js';
import { close, openSession, refusal } from './agent-session.js';

let sshd: Sshd;
let folder: string;

before(async () => {
  sshd = await startSshd();
  folder = await mkdtemp(join(tmpdir(), 'drone-transport-'));
});
after(async () => {
  await sshd.stop();
  await rm(folder, { recursive: true });
});
leakCheck();

/** A key file of the given kind. */
function keyFile(name: string, ...args: string[]): string {
  const path = join(folder, name);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path, ...args]);
  return path;
}

function textFile(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** Lines of sshd's known_hosts, each for all its addresses and one type. */
function knownLines(): string[] {
  return readFileSync(sshd.knownHosts, 'utf8').trim().split('\n');
}

test('an agent behind sshd gets its first input with the start and answers', async () => {
  const session = await openSession(sshd.droneOptions(), { input: Buffer.from('bundle') });
  session.channel.write(Buffer.from(', frame'));
  assert.equal(String(await session.received(13)), 'bundle, frame');
  assert.deepEqual(session.phases, ['connect', 'handshake', 'auth', 'bootstrap']);
  await close(session);
  assert.equal(session.ends, 1);
});

test('more than a channel window goes through in both directions unharmed', async () => {
  const bytes = Buffer.alloc(5 * 1024 * 1024);
  for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(at, at);
  const session = await openSession(sshd.droneOptions());
  session.channel.write(bytes.subarray(0, 3_000_001));
  session.channel.write(bytes.subarray(3_000_001));
  assert((await session.received(bytes.length)).equals(bytes));
  await close(session);
});

test('a change of session keys in mid-stream goes unnoticed', async () => {
  await using server = await startSshd({ RekeyLimit: '1M' });
  const bytes = Buffer.alloc(4 * 1024 * 1024, 'rekey');
  const session = await openSession(server.droneOptions(), { input: bytes });
  assert((await session.received(bytes.length)).equals(bytes));
  assert.deepEqual(session.phases, ['connect', 'handshake', 'auth', 'bootstrap']);
  await close(session);
});

test('twenty drones on addresses of their own are reached side by side', async () => {
  const sessions = await Promise.all(
    sshd.addresses.map(address => openSession(sshd.droneOptions(address), { input: Buffer.from(address) })),
  );
  for (const [at, session] of sessions.entries()) {
    const address = sshd.addresses[at] ?? '';
    assert.equal(String(await session.received(address.length)), address);
  }
  await Promise.all(sessions.map(close));
});

test('the environment and the shell of the drone are those of the login, with nothing before the agent', async () => {
  const loader = 'process.stdout.write(String(process.ppid)+process.argv[1])';
  const session = await openSession(sshd.droneOptions(), { loader });
  assert.match(String(await session.received(8)), /^\d+marker$/);
  await session.ended;
});

for (const { loader, exitCode, signal, says } of [
  { loader: 'process.exit(3)', exitCode: 3, signal: null, says: 'status 3' },
  { loader: '0', exitCode: 0, signal: null, says: 'status 0' },
  { loader: 'process.kill(process.pid,9)', exitCode: null, signal: 'SIGKILL', says: 'signal SIGKILL' },
]) {
  test(`an agent that ends by itself is reported with ${says}`, async () => {
    const session = await openSession(sshd.droneOptions(), { loader });
    const cause = await session.ended;
    assert.equal(cause?.message, `the agent ended with ${says}`);
    const { exitCode: code, signal: name } = cause as Error & { exitCode: unknown; signal: unknown };
    assert.deepEqual([code, name], [exitCode, signal]);
  });
}

test('a drone without node is recognised by status 127 and the words of its shell', async () => {
  const session = await openSession({ ...sshd.droneOptions(), agentCommand: 'no-such-node' });
  const cause = await session.ended;
  assert.equal((cause as { exitCode?: unknown } | undefined)?.exitCode, 127);
  assert.match(session.stderr, /no-such-node: not found/);
});

test('what is done after the end does no harm', async () => {
  const session = await openSession(sshd.droneOptions(), { loader: 'process.exit(1)' });
  await session.ended;
  session.channel.write(Buffer.from('late'));
  session.channel.release();
  session.channel.hold();
  session.channel.close();
  session.channel.destroy();
  assert.equal(session.ends, 1);
});

test('an agent that does not end at the end of its stdin is let go with its connection, which the link cuts', async () => {
  const loader = `process.stdin.resume();setInterval(()=>0,1e3);process.on("SIGPIPE",()=>0);
    process.stdout.write(String(process.pid).padStart(10))`.replaceAll(/\n */g, '');
  const session = await openSession(sshd.droneOptions(), { loader });
  const pid = Number(await session.received(10));
  session.channel.close();
  session.channel.destroy();
  assert.equal(await session.ended, undefined);
  process.kill(pid, 'SIGKILL');
});

test('a destroyed channel ends at once, without a cause', async () => {
  const session = await openSession(sshd.droneOptions());
  session.channel.destroy();
  assert.equal(await session.ended, undefined);
});

test('a key that is not let in fails with auth and the methods tried', async () => {
  const strange = keyFile('strange');
  const error = await refusal({ ...sshd.droneOptions(), identity: strange, password: 'hunter2' });
  assert.equal(error.kind, 'auth');
  assert(error.message.includes(`tried: key ${strange}; the server accepts: publickey`), error.message);
  assert(!error.message.includes('hunter2'));
  assert.deepEqual(error.phases, ['connect', 'handshake', 'auth']);
});

test('the second key file is tried when the first is refused', async () => {
  const options = { ...sshd.droneOptions(), identity: [keyFile('second'), sshd.identity] };
  await close(await openSession(options));
});

test('more keys than the server hears out fail with auth and its words', async () => {
  await using strict = await startSshd({ MaxAuthTries: '2' });
  const identity = ['a', 'b', 'c', 'd'].map(name => keyFile(`try-${name}`));
  const error = await refusal({ ...strict.droneOptions(), identity });
  assert.equal(error.kind, 'auth');
  assert.match(error.message, /Too many authentication failures/);
});

for (const [name, make, says] of [
  ['missing', () => join(folder, 'none'), /tried: key \S+none \(cannot be read: ENOENT\)/],
  ['encrypted', () => keyFile('locked', '-N', 'secret'), /locked \(has a passphrase, but none was given\)/],
  ['public', () => `${keyFile('open')}.pub`, /open\.pub \(holds a public key only\)/],
  [
    'no key at all',
    () => textFile('poem', 'shall I compare thee'),
    /poem \(is not a private key in a supported format\)/,
  ],
] as const) {
  test(`an identity file that is ${name} fails with auth and names it`, async () => {
    const error = await refusal({ ...sshd.droneOptions(), identity: make() });
    assert.equal(error.kind, 'auth');
    assert.match(error.message, says);
  });
}

test('keys of every common type log in', async () => {
  const kinds = [['ed25519'], ['rsa', '-b', '2048'], ['rsa', '-b', '2048', '-m', 'PEM'], ['ecdsa', '-b', '384']];
  const keys = kinds.map((args, at) => keyFile(`kind-${String(at)}`, '-t', ...args));
  const authorized = textFile('authorized', keys.map(path => readFileSync(`${path}.pub`, 'utf8')).join(''));
  execFileSync('chmod', ['755', folder]);
  await using server = await startSshd({ AuthorizedKeysFile: authorized });
  for (const identity of keys) await close(await openSession({ ...server.droneOptions(), identity }));
});

test('a host that is not in known_hosts fails with host-key before any credential is sent', async () => {
  const error = await refusal({ ...sshd.droneOptions(), knownHosts: join(folder, 'absent') });
  assert.equal(error.kind, 'host-key');
  assert.match(error.message, /127\.0\.1\.1:\d+ unknown: ssh-ed25519 SHA256:[\w+/]{43} \(not in .*absent\)/);
  const [, mend] = error.message.split('; if the fingerprint is right, ');
  const port = String(sshd.port);
  assert.equal(
    mend,
    `add it with ssh-keyscan -p ${port} 127.0.1.1 >> ${join(folder, 'absent')}, or use hostKeys: 'accept-new', ` +
      "or name the file that contains it in knownHosts, or use SshDrone.fromSshConfig('drone.test') to trust what ssh trusts",
  );
  assert.deepEqual(error.phases, ['connect', 'handshake']);
});

for (const { name, lines, says } of [
  {
    name: 'a changed key',
    lines: (names: string, other: string) => ['# first line', `${names} ${other}`],
    says: /changed: ssh-ed25519 SHA256:\S+ \(a different one is recorded in .* line 2\)/,
  },
  {
    name: 'a revoked key',
    lines: (_names: string, _other: string) => [
      knownLines()[0] ?? '',
      `@revoked * ${knownLines()[0]?.split(' ').slice(1).join(' ') ?? ''}`,
    ],
    says: /revoked: .* \(marked so in .* line 2\)/,
  },
  {
    name: 'a certificate authority',
    lines: (_names: string, other: string) => [`@cert-authority * ${other}`],
    says: /line 1 names a certificate authority, which is not supported/,
  },
]) {
  test(`${name} in known_hosts fails with host-key and names the line`, async () => {
    const other = readFileSync(`${keyFile(`other-${name.replaceAll(' ', '-')}`)}.pub`, 'utf8').trim();
    const names = knownLines()[0]?.split(' ')[0] ?? '';
    const knownHosts = textFile(`hosts-${name.replaceAll(' ', '-')}`, `${lines(names, other).join('\n')}\n`);
    const error = await refusal({ ...sshd.droneOptions(), knownHosts });
    assert.equal(error.kind, 'host-key');
    assert.match(error.message, says);
    assert.deepEqual(error.phases, ['connect', 'handshake']);
  });
}

test('the server is asked for a key of a recorded type, not for the one it would show first', async () => {
  const ecdsa = knownLines().find(line => line.includes('ecdsa')) ?? '';
  await close(await openSession({ ...sshd.droneOptions(), knownHosts: textFile('ecdsa-only', `${ecdsa}\n`) }));
});

test('a server without a key of the recorded types fails with host-key', async () => {
  const rsa = readFileSync(`${keyFile('rsa-host', '-t', 'rsa')}.pub`, 'utf8').trim();
  const knownHosts = textFile('rsa-only', `${knownLines()[0]?.split(' ')[0] ?? ''} ${rsa}\n`);
  const error = await refusal({ ...sshd.droneOptions(), knownHosts });
  assert.equal(error.kind, 'host-key');
  assert.match(error.message, /changed \(only keys of type ssh-rsa are recorded for it\)/);
});

test('known_hosts entries under the name of the drone count, too', async () => {
  const line = knownLines()[0]?.split(' ').slice(1).join(' ') ?? '';
  const knownHosts = textFile('by-name', `drone.test ${line}\n`);
  await close(await openSession({ ...sshd.droneOptions(), knownHosts }));
});

test('two hops lead to a drone, each with its host key checked', async () => {
  const [first, second] = sshd.addresses.map(address => `${sshd.user}@${address}:${String(sshd.port)}`);
  const options = { ...sshd.droneOptions(sshd.addresses[2]), via: [first ?? '', second ?? ''] };
  const session = await openSession(options, { input: Buffer.from('through') });
  assert.equal(String(await session.received(7)), 'through');
  await close(session);
  const names = [sshd.addresses[0], sshd.addresses[2]].map(address => `[${address ?? ''}]:${String(sshd.port)}`).join();
  const knownHosts = textFile(
    'not-second',
    knownLines()
      .map(line => line.replace(/^\S+/, names))
      .join('\n'),
  );
  const error = await refusal({ ...options, knownHosts });
  assert.equal(error.kind, 'host-key');
  assert(error.message.startsWith(`via ${second ?? ''}: host key of 127.0.1.2`), error.message);
});

test('a hop that may not connect on is named in the failure', async () => {
  await using hop = await startSshd({ AllowTcpForwarding: 'no' });
  const via = `${hop.user}@127.0.1.1:${String(hop.port)}`;
  const knownHosts = [sshd.knownHosts, hop.knownHosts];
  const error = await refusal({ ...sshd.droneOptions(), identity: hop.identity, knownHosts, via });
  assert.equal(error.kind, 'unreachable');
  assert(
    error.message.startsWith(`via ${via}: `) && error.message.includes('administratively prohibited'),
    error.message,
  );
});

test('a server that opens no session fails with bootstrap', async () => {
  await using server = await startSshd({ MaxSessions: '0' });
  const error = await refusal(server.droneOptions());
  assert.equal(error.kind, 'bootstrap');
  assert.match(error.message, /did not start a command: Channel open failure/);
});
