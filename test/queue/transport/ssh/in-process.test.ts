/** The ssh transport against servers inside of the test's own process, which can misbehave. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import ssh2 from 'ssh2';
import { startSshServer } from '../../../../src/testing/ssh-server.js';
import { TransportError } from '../../../../src/queue/transport/transport.js';
import { leakCheck } from '../../../support/leak-check.js';
import { close, openSession, refusal, type Session } from './agent-session.js';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drone-in-process-'));
});
after(() => rm(folder, { recursive: true }));
leakCheck();

/** A TCP server that does something else than speak SSH; ends with its connections. */
async function listen(
  onConnection: (socket: Socket) => void,
): Promise<AsyncDisposable & { port: number; server: Server }> {
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => undefined); // cut off by the client, as these tests want it
    onConnection(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    server,
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const GIVEN_UP = new TransportError('cancelled', 'given up');
const NO_CREDENTIALS = { host: '127.0.0.1', user: 'drone', agentSocket: false } as const;

test('the password is the last resort and is not told when it fails', async () => {
  await using server = await startSshServer({ password: 'open sesame' });
  const options = { ...server.droneOptions(), identity: undefined };
  await close(await openSession({ ...options, password: 'open sesame' }));
  const error = await refusal({ ...options, password: 'hunter2' });
  assert.equal(error.kind, 'auth');
  assert.match(error.message, /tried: password; the server accepts: publickey, password/);
  assert(!error.message.includes('hunter2'));
});

test('a drone without any credential fails with auth', async () => {
  await using server = await startSshServer();
  const error = await refusal({ ...server.droneOptions(), identity: undefined });
  assert.equal(error.kind, 'auth');
  assert.match(error.message, /there was no credential to try/);
});

test('a user unknown to the server fails with auth', async () => {
  await using server = await startSshServer();
  assert.equal((await refusal({ ...server.droneOptions(), user: 'stranger' })).kind, 'auth');
});

test('keys of a real ssh-agent log in, and the password follows where there is none', async () => {
  await using server = await startSshServer({ password: 'pw' });
  const agentSocket = join(folder, 'agent.sock');
  const agent: ChildProcess = spawn('ssh-agent', ['-D', '-a', agentSocket], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(agent.stdout as NonNullable<typeof agent.stdout>, 'data');
  try {
    const options = { ...server.droneOptions(), identity: undefined, agentSocket };
    assert.match(
      (await refusal(options)).message,
      /tried: ssh-agent \S+agent\.sock \(none of its 0 keys is left to try\); give identity/,
    );
    execFileSync('ssh-add', ['-q', server.identity], { env: { ...process.env, SSH_AUTH_SOCK: agentSocket } });
    await close(await openSession(options));
    const absent = { ...options, agentSocket: join(folder, 'absent.sock') };
    await close(await openSession({ ...absent, password: 'pw' }));
    assert.match((await refusal(absent)).message, /tried: ssh-agent \S+absent\.sock \(connect ENOENT/);
  } finally {
    agent.kill();
    await once(agent, 'exit');
  }
});

test('an ssh-agent that never answers is left behind when the connection is given up', async () => {
  await using server = await startSshServer();
  const path = join(folder, 'mute.sock');
  const mute = createServer();
  const asked = once(mute.listen(path), 'connection') as Promise<[Socket]>;
  const abort = new AbortController();
  const options = { ...server.droneOptions(), identity: undefined, agentSocket: path };
  const refused = refusal(options, { signal: abort.signal });
  const [socket] = await asked;
  socket.resume();
  abort.abort(GIVEN_UP);
  assert.equal(await refused, GIVEN_UP);
  if (!socket.closed) await once(socket, 'close');
  mute.close();
});

test('a port without a listener fails with unreachable and the code of the system', async () => {
  const { port, ...listener } = await listen(() => undefined);
  await listener[Symbol.asyncDispose]();
  const error = await refusal({ ...NO_CREDENTIALS, port });
  assert.equal(error.kind, 'unreachable');
  assert.match(error.message, /connection refused \(ECONNREFUSED\)/);
  assert.equal((error.cause as NodeJS.ErrnoException).code, 'ECONNREFUSED');
  assert.deepEqual(error.phases, ['connect']);
});

test('a name that is not found fails with unreachable', async () => {
  const error = await refusal({ ...NO_CREDENTIALS, host: 'no-such-host.invalid' });
  assert.equal(error.kind, 'unreachable');
  assert.match(error.message, /no-such-host\.invalid/);
  assert.match(String((error.cause as NodeJS.ErrnoException).code), /ENOTFOUND|EAI_AGAIN/);
});

for (const [name, behave, says] of [
  ['hangs up before its banner', (socket: Socket) => socket.end(), /closed the connection before the handshake/],
  ['resets the connection', (socket: Socket) => socket.resetAndDestroy(), /connection reset|closed the connection/],
  [
    'speaks another protocol',
    (socket: Socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    /before the handshake/,
  ],
  ['sends a banner and hangs up', (socket: Socket) => socket.end('SSH-2.0-x\r\n'), /closed the connection/],
  ['sends noise after its banner', (socket: Socket) => socket.write(`SSH-2.0-x\r\n${'x'.repeat(99)}`), /handshake/],
] as const) {
  test(`a server that ${name} fails with unreachable`, async () => {
    await using server = await listen(behave);
    const error = await refusal({ ...NO_CREDENTIALS, port: server.port });
    assert.equal(error.kind, 'unreachable');
    assert.match(error.message, says);
  });
}

test('a server with no common algorithm fails with unreachable and says which', async () => {
  const hostKey = ssh2.utils.generateKeyPairSync('rsa', { bits: 2048 }).private;
  const old = new ssh2.Server({ hostKeys: [hostKey], algorithms: { cipher: ['aes128-cbc'] } }, client => {
    client.on('error', () => undefined); // the failure that the test looks at from the other side
  });
  await using server = await listen(socket => {
    old.injectSocket(socket);
  });
  const error = await refusal({ ...NO_CREDENTIALS, port: server.port });
  assert.equal(error.kind, 'unreachable');
  assert.match(error.message, /no matching C->S cipher/);
});

test('a silent server is given up at once when the signal is aborted, with its reason', async () => {
  let accepted: (socket: Socket) => void = () => undefined;
  const connection = new Promise<Socket>(resolve => (accepted = resolve));
  await using server = await listen(socket => {
    accepted(socket);
  });
  const abort = new AbortController();
  const reason = new TransportError('timeout', 'too late');
  const refused = refusal(
    { ...NO_CREDENTIALS, port: server.port },
    {
      signal: abort.signal,
      onPhase: phase => {
        if (phase === 'handshake') setImmediate(() => abort.abort(reason));
      },
    },
  );
  const socket = await connection;
  socket.resume();
  assert.equal(await refused, reason);
  if (!socket.closed) await once(socket, 'close');
});

for (const when of ['connect', 'handshake', 'auth', 'bootstrap'] as const) {
  test(`giving up in the phase ${when} leaves nothing behind`, async () => {
    await using server = await startSshServer();
    await using hop = await startSshServer();
    const hopOptions = {
      ...hop.droneOptions(),
      hostKeys: 'accept-new',
      knownHosts: join(folder, `hosts-${when}`),
    } as const;
    for (const via of [undefined, `drone@127.0.0.1:${String(hop.port)}`]) {
      const abort = new AbortController();
      const error = await refusal(
        { ...hopOptions, port: server.port, identity: [hop.identity, server.identity], via },
        { signal: abort.signal, onPhase: phase => phase === when && abort.abort(GIVEN_UP) },
      );
      assert.equal(error, GIVEN_UP);
    }
    assert.equal(await refusal(hopOptions, { signal: AbortSignal.abort(GIVEN_UP) }), GIVEN_UP);
  });
}

test('a connection that drops ends the channel with the reason', async () => {
  await using server = await startSshServer();
  const session = await openSession(server.droneOptions(), { input: Buffer.from('up') });
  await session.received(2);
  server.dropConnections();
  assert.match((await session.ended)?.message ?? '', /^the connection to drone@127\.0\.0\.1:\d+ was lost: /);
  assert.equal(session.ends, 1);
});

/** Passes bytes on until it starts to swallow them, as a firewall does that has forgotten a connection. */
async function proxyTo(port: number): Promise<Awaited<ReturnType<typeof listen>> & { swallow(): void }> {
  const pairs: Socket[] = [];
  const proxy = await listen(socket => {
    const onward = connect({ port, host: '127.0.0.1', noDelay: true });
    onward.on('error', () => undefined); // its server may end first
    socket.pipe(onward).pipe(socket);
    socket.once('close', () => onward.destroy());
    pairs.push(socket, onward);
  });
  return Object.assign(proxy, {
    swallow() {
      for (const socket of pairs) socket.unpipe().resume();
    },
  });
}

test('a link that silently swallows everything is found by keepalives', async () => {
  await using server = await startSshServer();
  await using proxy = await proxyTo(server.port);
  const options = { ...server.droneOptions(), port: proxy.port };
  const session = await openSession(options, { keepaliveIntervalMs: 20, keepaliveCount: 3 });
  proxy.swallow();
  assert.match((await session.ended)?.message ?? '', /lost: no answer to 3 keepalives, 20 ms apart/);
});

test('a hop that goes silent is named in the end of what passes through it', async () => {
  await using server = await startSshServer();
  await using hop = await startSshServer({ authorizedKeys: [publicKeyOf(server.identity)] });
  await using proxy = await proxyTo(hop.port);
  const via = `drone@127.0.0.1:${String(proxy.port)}`;
  const options = { ...server.droneOptions(), hostKeys: pins(server, hop), via };
  const session = await openSession(options, { keepaliveIntervalMs: 20, keepaliveCount: 3 });
  proxy.swallow();
  const message = (await session.ended)?.message ?? '';
  assert(message.includes('no answer to 3 keepalives'), message);
});

function publicKeyOf(identity: string): string {
  return execFileSync('ssh-keygen', ['-y', '-f', identity], { encoding: 'utf8' });
}

function pins(...servers: { readonly hostKeyFingerprint: string }[]): { fingerprints: string[] } {
  return { fingerprints: servers.map(({ hostKeyFingerprint }) => hostKeyFingerprint) };
}

test('drones behind one hop share its connection, which ends with the last of them', async () => {
  await using server = await startSshServer();
  await using hop = await startSshServer({ authorizedKeys: [publicKeyOf(server.identity)] });
  const via = `drone@127.0.0.1:${String(hop.port)}`;
  const options = { ...server.droneOptions(), hostKeys: pins(server, hop), via };
  const sessions = await Promise.all(Array.from({ length: 12 }, () => openSession(options)));
  assert.equal(server.connects, 12);
  assert.equal(hop.connects, 1);
  const [last, ...others] = sessions as [Session, ...Session[]];
  await Promise.all(others.map(close));
  last.channel.write(Buffer.from('still here'));
  assert.equal(String(await last.received(10)), 'still here');
  await close(last);
  await close(await openSession(options));
  assert.equal(hop.connects, 2);
});

test('a hop that dies ends all that pass through it, and the next one connects anew', async () => {
  await using server = await startSshServer();
  await using hop = await startSshServer({ authorizedKeys: [publicKeyOf(server.identity)] });
  const via = `drone@127.0.0.1:${String(hop.port)}`;
  const options = { ...server.droneOptions(), hostKeys: pins(server, hop), via };
  const sessions = await Promise.all([openSession(options), openSession(options)]);
  hop.dropConnections();
  for (const session of sessions) {
    const message = (await session.ended)?.message ?? '';
    assert(message.includes(`via ${via}: the connection to ${via} was lost`), message);
  }
  await close(await openSession(options));
  assert.equal(hop.connects, 2);
});

test('a hop that refuses the login fails with auth in its own phase, for all who wait for it', async () => {
  await using server = await startSshServer();
  await using hop = await startSshServer();
  const via = `drone@127.0.0.1:${String(hop.port)}`;
  const options = { ...server.droneOptions(), hostKeys: pins(server, hop), via, password: 'for the drone only' };
  const errors = await Promise.all([refusal(options), refusal(options)]);
  for (const error of errors) {
    assert.equal(error.kind, 'auth');
    assert(error.message.startsWith(`via ${via}: ${via} refused the login; tried: key `), error.message);
    assert(!error.message.includes('password'), 'the password was offered to a hop');
    assert.equal(error.phases.at(-1), 'auth');
  }
  assert.equal(hop.connects, 1);
  assert.equal(server.connects, 0);
});

test('accept-new records a new host once, and refuses another key there later', async () => {
  const knownHosts = join(folder, 'new', 'known_hosts');
  const first = await startSshServer();
  const { port } = first;
  const options = { ...first.droneOptions(), hostKeys: 'accept-new', knownHosts } as const;
  await Promise.all((await Promise.all([openSession(options), openSession(options)])).map(close));
  assert.equal(readFileSync(knownHosts, 'utf8'), `${first.knownHostsLine}\n`);
  await close(await openSession({ ...options, hostKeys: 'strict' }));
  await first.close();
  await using second = await startSshServer({ port });
  const error = await refusal({ ...options, identity: second.identity });
  assert.equal(error.kind, 'host-key');
  assert.match(error.message, /changed/);
  assert.deepEqual(error.phases, ['connect', 'handshake']);
});

test('accept-new keeps a last line that has no end, and leaves a refused login recorded', async () => {
  const knownHosts = join(folder, 'unended');
  await writeFile(knownHosts, '# mine');
  await using server = await startSshServer();
  const options = { ...server.droneOptions(), hostKeys: 'accept-new', knownHosts } as const;
  assert.equal((await refusal({ ...options, identity: [], password: 'wrong' })).kind, 'auth');
  assert.equal(readFileSync(knownHosts, 'utf8'), `# mine\n${server.knownHostsLine}\n`);
  await close(await openSession({ ...options, hostKeys: 'strict' }));
});

test('accept-new that cannot record fails with host-key', async () => {
  await using server = await startSshServer();
  const knownHosts = join(server.identity, 'no-folder');
  const error = await refusal({ ...server.droneOptions(), hostKeys: 'accept-new', knownHosts });
  assert.equal(error.kind, 'host-key');
  assert.doesNotMatch(error.message, /login/);
  assert.match(error.message, /cannot be recorded in .*no-folder: E/);
});

test('a pinned fingerprint lets in its key and no other, whatever known_hosts says', async () => {
  await using server = await startSshServer();
  const knownHosts = join(folder, 'not-read');
  const error = await refusal({
    ...server.droneOptions(),
    hostKeys: { fingerprints: [`SHA256:${'A'.repeat(43)}`] },
    knownHosts,
  });
  assert.equal(error.kind, 'host-key');
  assert(error.message.includes(server.hostKeyFingerprint), error.message);
  assert.match(error.message, /does not match the pinned ones/);
  assert(!existsSync(knownHosts));
});

for (const { state, via } of [
  { state: 'released', via: false },
  { state: 'released', via: true },
  { state: 'held', via: false },
]) {
  test(`a ${state} channel ${state === 'held' ? 'keeps' : 'lets'} its process ${state === 'held' ? 'alive' : 'exit'}${via ? ' through a hop, too' : ''}`, async () => {
    await using server = await startSshServer();
    await using hop = await startSshServer({ authorizedKeys: [publicKeyOf(server.identity)] });
    const options = {
      ...server.droneOptions(),
      hostKeys: pins(server, hop),
      via: via ? [`drone@127.0.0.1:${String(hop.port)}`] : [],
    };
    const program = fileURLToPath(new URL('programs/idle-program.js', import.meta.url));
    const args = [program, state, JSON.stringify(options)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    assert.equal(String(line), `${state}\n`);
    // Held, it is the end of the connection and nothing else that lets it exit.
    if (state === 'held') server.dropConnections();
    const [code] = (await once(child, 'exit')) as [number];
    assert.equal(code, state === 'held' ? 5 : 0);
  });
}
