import assert from 'node:assert/strict';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import test, { afterEach, beforeEach } from 'node:test';
import { deserialize, serialize } from 'node:v8';
import {
  resolveSshEndpoint,
  type SshEndpointSpec,
  type SshOptions,
} from '../../../../src/queue/transport/ssh/ssh-endpoint.js';

const agentBefore = process.env.SSH_AUTH_SOCK;
beforeEach(() => {
  process.env.SSH_AUTH_SOCK = '/run/agent.sock';
});
afterEach(() => {
  if (agentBefore === undefined) delete process.env.SSH_AUTH_SOCK;
  else process.env.SSH_AUTH_SOCK = agentBefore;
});

const PIN = `SHA256:${'A'.repeat(43)}`;
const me = userInfo().username;

test('a hostname alone means port 22, the own user, the ssh-agent and strict host keys', () => {
  const { key, ...spec } = resolveSshEndpoint('web1');
  assert.deepEqual(spec.openFiles, { count: 1, of: key });
  assert.match(key, new RegExp(`^ssh:${me}@web1:22#[\\w-]{22}$`));
  assert.deepEqual(spec, {
    transport: 'ssh',
    hostname: 'web1',
    host: 'web1',
    port: 22,
    user: me,
    identity: [],
    passphrase: undefined,
    password: undefined,
    agentSocket: '/run/agent.sock',
    identitiesOnly: false,
    hostKeys: 'strict',
    knownHosts: [join(homedir(), '.ssh/known_hosts'), '/etc/ssh/ssh_known_hosts'],
    route: 'ssh:web1 22',
    openFiles: spec.openFiles,
    agent: 'node',
    hostKeyAlias: undefined,
    revokedHostKeys: [],
    minRsaBits: undefined,
    addressFamily: undefined,
    publicKeyAlgorithms: undefined,
    keepaliveIntervalMs: undefined,
    keepaliveCount: undefined,
    ciphers: undefined,
    kex: undefined,
    macs: undefined,
    hostKeyAlgorithms: undefined,
    asks: undefined,
    agentCommand: 'node',
    hops: [],
    utility: undefined,
    env: undefined,
    connectTimeoutMs: undefined,
  });
});

test('every option may be undefined, which means its default', () => {
  const names = ['host', 'port', 'user', 'identity', 'password', 'agentSocket', 'hostKeys', 'knownHosts', 'via'];
  const all = [...names, 'utility', 'env', 'agent', 'agentCommand'].map(name => [name, undefined]);
  assert.deepEqual(
    resolveSshEndpoint('web1', Object.fromEntries(all) as SshOptions<SshEndpointSpec>),
    resolveSshEndpoint('web1'),
  );
});

test('one path may stand for a list, and ~/ for the home directory', () => {
  const spec = resolveSshEndpoint('web1', { identity: '~/.ssh/id', knownHosts: ['/a', '~/b'] });
  assert.deepEqual(spec.identity, [join(homedir(), '.ssh/id')]);
  assert.deepEqual(spec.knownHosts, ['/a', join(homedir(), 'b')]);
});

test('no ssh-agent is used where there is none or none is wanted', () => {
  assert.equal(resolveSshEndpoint('web1', { agentSocket: false }).agentSocket, undefined);
  assert.equal(resolveSshEndpoint('web1', { agentSocket: '/a.sock' }).agentSocket, '/a.sock');
  process.env.SSH_AUTH_SOCK = '';
  assert.equal(resolveSshEndpoint('web1').agentSocket, undefined);
});

test('hops in strings take the keys and host keys of the drone, but neither its user nor its password', () => {
  const spec = resolveSshEndpoint('web1', {
    user: 'deploy',
    password: 'hunter2',
    passphrase: () => 'of the key',
    keyboardInteractive: () => ['for web1'],
    hostKeyAlias: 'web',
    keepaliveCount: 5,
    identity: '/key',
    hostKeys: { fingerprints: [`${PIN}=`] },
    revokedHostKeys: '/revoked',
    minRsaBits: 3072,
    addressFamily: 4,
    via: ['bastion', 'root@[::1]:2200'],
  });
  const { passphrase, identity, agentSocket, identitiesOnly, hostKeys, knownHosts, keepaliveCount } = spec;
  assert.deepEqual(identity, ['/key']);
  const inherited = {
    ...{ passphrase, identity, agentSocket, identitiesOnly, hostKeys, knownHosts, keepaliveCount },
    ...{ keepaliveIntervalMs: undefined, ciphers: undefined, kex: undefined, macs: undefined },
    ...{ password: undefined, hostKeyAlias: undefined, hostKeyAlgorithms: undefined, publicKeyAlgorithms: undefined },
    ...{ revokedHostKeys: ['/revoked'], minRsaBits: 3072, addressFamily: 4 },
    asks: { key: spec.asks?.key, passphrase: true, keyboardInteractive: false },
  };
  assert.deepEqual(
    spec.hops.map(({ key: _key, ...hop }) => hop),
    [
      { hostname: 'bastion', host: 'bastion', port: 22, user: me, ...inherited },
      { hostname: '::1', host: '::1', port: 2200, user: 'root', ...inherited },
    ],
  );
});

test('a drone as a hop brings its own credentials and its own hops', () => {
  const inner = resolveSshEndpoint('inner', { password: 'for inner', via: 'outer', utility: new URL('file:///u.mjs') });
  const spec = resolveSshEndpoint('web1', { via: ['first', inner] });
  assert.deepEqual(
    spec.hops.map(({ hostname, password }) => [hostname, password]),
    [
      ['first', undefined],
      ['outer', undefined],
      ['inner', 'for inner'],
    ],
  );
  assert(!('utility' in (spec.hops[2] ?? {})));
});

test('endpoints that differ in anything have different keys, and equal ones the same', () => {
  const variants: SshOptions<SshEndpointSpec>[] = [
    {},
    { host: '10.0.0.1' },
    { port: 23 },
    { user: 'x' },
    { identity: '/a' },
    { identity: ['/a', '/b'] },
    { password: 'a' },
    { password: 'b' },
    { passphrase: 'a' },
    { passphrase: () => 'a' },
    { keyboardInteractive: () => [] },
    { identitiesOnly: true },
    { hostKeyAlias: 'a' },
    { keepaliveIntervalMs: 1000 },
    { keepaliveCount: 1 },
    { ciphers: ['aes128-ctr'] },
    { kex: ['curve25519-sha256'] },
    { macs: ['hmac-sha2-256'] },
    { hostKeyAlgorithms: ['ssh-ed25519'] },
    { agentSocket: false },
    { hostKeys: 'accept-new' },
    { hostKeys: { fingerprints: [PIN] } },
    { knownHosts: [] },
    { via: 'a' },
    { via: ['a', 'b'] },
    { via: ['b', 'a'] },
    { via: resolveSshEndpoint('a', { password: 'x' }) },
    { utility: new URL('file:///u.mjs') },
    { env: { A: '1' } },
    { agentCommand: '/opt/node' },
    { agent: 'none' },
  ];
  const keys = variants.map(options => resolveSshEndpoint('web1', options).key);
  assert.equal(new Set(keys).size, keys.length);
  assert.deepEqual(
    variants.map(options => resolveSshEndpoint('web1', { ...options }).key),
    keys,
  );
});

test('a key shows no secret, and the spec is plain data', () => {
  const spec = resolveSshEndpoint('web1', { password: 'hunter2', env: { TOKEN: 'abc123' }, via: 'a' });
  assert(!/hunter2|abc123/.test(spec.key));
  assert.deepEqual(deserialize(serialize(spec)), spec);
});

const refusals: readonly [options: Record<string, unknown>, says: RegExp][] = [
  [{ host: 'a b' }, /^host is 'a b', expected a host name/],
  [{ host: '' }, /^host is ''/],
  [{ host: '[::1]' }, /^host is '\[::1\]', expected .* without brackets/],
  [{ port: 0 }, /^port is 0, expected an integer from 1 to 65,535/],
  [{ port: 65_536 }, /^port is 65536/],
  [{ port: 22.5 }, /^port is 22.5/],
  [{ port: '22' }, /^port is '22'/],
  [{ user: '' }, /^user is ''/],
  [{ identity: 7 }, /^identity is 7/],
  [{ identity: ['/a', ''] }, /^identity\[1\] is ''/],
  [{ knownHosts: [null] }, /^knownHosts\[0\] is null/],
  [{ knownHosts: [], hostKeys: 'accept-new' }, /^knownHosts is \[\], expected a path to record keys in/],
  [{ agentSocket: true }, /^agentSocket is true, expected the path of a socket, or false/],
  [{ agentSocket: '' }, /^agentSocket is ''/],
  [{ hostKeys: 'off' }, /^hostKeys is 'off', expected 'strict', 'accept-new' or/],
  [{ hostKeys: { fingerprints: [] } }, /^hostKeys is \{ fingerprints: \[\] \}/],
  [{ hostKeys: { fingerprints: ['MD5:00'] } }, /^hostKeys.fingerprints is 'MD5:00', expected 'SHA256:'/],
  [{ via: 'a:b:c' }, /^via is 'a:b:c', expected '\[user@\]host\[:port\]'/],
  [{ via: 'host:0' }, /^via is 0, expected an integer from 1/],
  [{ via: [''] }, /^via is ''/],
  [{ via: 7 }, /^via is 7, expected an SshDrone, a string/],
  [{ utility: 'file:///u.mjs' }, /^utility is 'file:\/\/\/u.mjs', expected a URL object/],
  [{ utility: new URL('https://example.org/u.mjs') }, /^utility is 'https:.*expected a file: or data: URL/],
  [{ env: ['A=1'] }, /^env is /],
  [{ env: { 'A=': '1' } }, /^a name in env is 'A='/],
  [{ identitiesOnly: 'yes' }, /^identitiesOnly is 'yes', expected a boolean/],
  [{ hostKeyAlias: 'a b' }, /^hostKeyAlias is 'a b'/],
  [{ connectTimeoutMs: 0 }, /^connectTimeoutMs is 0, expected a number of milliseconds above 0, or Infinity/],
  [{ keepaliveIntervalMs: '1' }, /^keepaliveIntervalMs is '1'/],
  [{ keepaliveCount: 1.5 }, /^keepaliveCount is 1.5, expected an integer of 1 or more/],
  [{ keyboardInteractive: 'yes' }, /^typeof keyboardInteractive is 'string', expected 'function'/],
  [{ passphrase: 7 }, /^typeof passphrase is 'number', expected 'string'/],
  [{ ciphers: [] }, /^ciphers is \[\], expected a list of names from aes128-gcm/],
  [{ kex: ['curve25519-sha256', 'rot13'] }, /^kex is 'rot13', expected a list of names from curve25519/],
  [{ agentCommand: 'node\n' }, /^agentCommand is 'node\\n', expected one line/],
  [{ hostkeys: 'accept-new' }, /^unknown option 'hostkeys' \(did you mean 'hostKeys'\?\), expected one of host, port/],
];

for (const [options, says] of refusals) {
  test(`refused with a clear error: ${JSON.stringify(options)}`, () => {
    assert.throws(() => resolveSshEndpoint('web1', options), {
      name: 'TypeError',
      code: 'ERR_INVALID_ARG',
      message: says,
    });
  });
}

test('errors about secrets do not show them', () => {
  for (const options of [
    { password: ['hunter2'] },
    { passphrase: ['hunter2'] },
    { keyboardInteractive: ['hunter2'] },
    { env: { A: ['hunter2'] } },
    { env: { A: 'hunter2\0' } },
    { env: 'hunter2' },
    { via: { host: 'a', password: 'hunter2' } },
    { via: 'me:hunter2@host' },
    'hunter2',
  ]) {
    assert.throws(
      () => resolveSshEndpoint('web1', options as SshOptions<SshEndpointSpec>),
      (error: Error & { code?: string }) => error.code === 'ERR_INVALID_ARG' && !error.message.includes('hunter2'),
    );
  }
});

test('a hostname is checked like a host', () => {
  for (const hostname of ['', 'a b', 'user@web1', 7]) {
    assert.throws(() => resolveSshEndpoint(hostname as string), { code: 'ERR_INVALID_ARG', message: /^hostname is / });
  }
});
