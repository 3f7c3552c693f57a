/** SshDrone.fromSshConfig: what ssh itself says of a host, made into a drone. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir, userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import test, { after, afterEach, before } from 'node:test';
import { endpointOf } from '../../../../src/queue/drone/drone.js';
import { type FromSshConfigOptions, SshDrone } from '../../../../src/queue/drone/ssh-drone.js';
import type { SshEndpointSpec } from '../../../../src/queue/transport/ssh/ssh-endpoint.js';
import { leakCheck } from '../../../support/leak-check.js';
import { startSshd } from '../../../support/sshd.js';
import { close, openSession, refusal } from './agent-session.js';

let folder: string;
let files = 0;
const pathBefore = process.env['PATH'];
const agentBefore = process.env['SSH_AUTH_SOCK'];
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drone-ssh-config-'));
});
after(() => rm(folder, { recursive: true }));
afterEach(() => {
  process.env['PATH'] = pathBefore;
  if (agentBefore === undefined) delete process.env['SSH_AUTH_SOCK'];
  else process.env['SSH_AUTH_SOCK'] = agentBefore;
});
leakCheck();

async function configFile(text: string): Promise<string> {
  const path = join(folder, `config-${String(files++)}`);
  await writeFile(path, text);
  return path;
}

async function specOf(name: string, text: string, options: FromSshConfigOptions = {}): Promise<SshEndpointSpec> {
  const drone = await SshDrone.fromSshConfig(name, { ...options, configFile: await configFile(text) });
  return endpointOf(drone).spec as SshEndpointSpec;
}

test('what ssh_config says of a host is in the drone', async () => {
  process.env['DRONE_TEST_KEYS'] = '/keys';
  const spec = await specOf(
    'web1',
    `Host web*
      HostName %h.example.org
      User deploy
      Port 2222
      IdentityFile /keys/%n_%r_%p
      IdentityFile \${DRONE_TEST_KEYS}/b
      IdentitiesOnly yes
      IdentityAgent /run/%u.sock
      UserKnownHostsFile /known/%k /known/b
      GlobalKnownHostsFile /known/c
      StrictHostKeyChecking accept-new
      HostKeyAlias farm
      ConnectTimeout 7
      ServerAliveInterval 20
      ServerAliveCountMax 5
      Ciphers aes256-ctr,chacha20-poly1305@openssh.com
      KexAlgorithms ^curve25519-sha256
      MACs umac-64@openssh.com,hmac-sha2-512
      HostKeyAlgorithms ssh-ed25519,ssh-ed25519-cert-v01@openssh.com`,
  );
  const { key: _key, kex, ...told } = spec;
  assert.deepEqual(told, {
    transport: 'ssh',
    hostname: 'web1',
    host: 'web1.example.org',
    port: 2222,
    user: 'deploy',
    identity: ['/keys/web1_deploy_2222', '/keys/b'],
    passphrase: undefined,
    password: undefined,
    asks: undefined,
    agentSocket: `/run/${userInfo().username}.sock`,
    identitiesOnly: true,
    hostKeys: 'accept-new',
    knownHosts: ['/known/farm', '/known/b', '/known/c'],
    hostKeyAlias: 'farm',
    revokedHostKeys: [],
    minRsaBits: undefined,
    addressFamily: undefined,
    publicKeyAlgorithms: undefined,
    keepaliveIntervalMs: 20_000,
    keepaliveCount: 5,
    ciphers: ['aes256-ctr', 'chacha20-poly1305@openssh.com'],
    macs: ['hmac-sha2-512'],
    hostKeyAlgorithms: ['ssh-ed25519'],
    route: 'ssh:web1.example.org 2222',
    openFiles: spec.openFiles,
    agent: 'node',
    agentCommand: 'node',
    hops: [],
    utility: undefined,
    env: undefined,
    connectTimeoutMs: 7000,
  });
  assert.equal(kex?.[0], 'curve25519-sha256');
  assert(kex.every(name => !name.includes('sntrup')));
});

test('where ssh_config is silent, the defaults are ours, and keys are those that ssh looks for and finds', async () => {
  process.env['SSH_AUTH_SOCK'] = '/run/agent.sock';
  const spec = await specOf('web1', '');
  const { host, port, user, agentSocket, hostKeys, ciphers, kex, macs, hostKeyAlgorithms } = spec;
  assert.deepEqual([host, port, user], ['web1', 22, userInfo().username]);
  assert.deepEqual([agentSocket, hostKeys], ['/run/agent.sock', 'strict']);
  assert.deepEqual([ciphers, kex, macs, hostKeyAlgorithms], [undefined, undefined, undefined, undefined]);
  assert.deepEqual([spec.connectTimeoutMs, spec.keepaliveIntervalMs], [undefined, undefined]);
  assert.equal(spec.knownHosts[0], join(homedir(), '.ssh/known_hosts'));
  for (const path of spec.identity) execFileSync('sh', ['-c', `test -e ${path} || test -e ${path}.pub`]);
});

for (const [text, agentSocket] of [
  ['none', undefined],
  ['SSH_AUTH_SOCK', '/run/agent.sock'],
  ['$DRONE_TEST_AGENT', '/run/other.sock'],
  ['$DRONE_TEST_NOTHING', undefined],
] as const) {
  test(`IdentityAgent ${text} is understood`, async () => {
    process.env['SSH_AUTH_SOCK'] = '/run/agent.sock';
    process.env['DRONE_TEST_AGENT'] = '/run/other.sock';
    assert.equal((await specOf('web1', `IdentityAgent ${text}`)).agentSocket, agentSocket);
  });
}

test('options given in code win over ssh_config, and over what it would be refused for', async () => {
  const spec = await specOf(
    'web1',
    `User deploy
     ProxyCommand nc %h %p
     StrictHostKeyChecking no
     IdentityFile /keys/%Z
     Ciphers chacha20-poly1305@openssh.com`,
    { user: 'root', via: [], hostKeys: 'accept-new', identity: '/key', port: undefined, ciphers: ['aes128-ctr'] },
  );
  assert.deepEqual([spec.user, spec.hostKeys, spec.identity, spec.port], ['root', 'accept-new', ['/key'], 22]);
  assert.deepEqual([spec.hops, spec.ciphers], [[], ['aes128-ctr']]);
});

test('a chain of ProxyJump becomes hops, each with its own configuration', async () => {
  const spec = await specOf(
    'web1',
    `Host web1
       ProxyJump bob@outer:2200,ssh://inner
     Host outer
       HostName 192.0.2.1
       ProxyJump gate
       IdentityFile /keys/outer
     Host inner
       User carol
       ProxyJump none-of-this-counts
     Host gate
       Port 2022
       StrictHostKeyChecking accept-new`,
    { passphrase: () => 'x', password: 'for web1', user: 'deploy' },
  );
  assert.deepEqual(
    spec.hops.map(({ hostname, host, port, user, hostKeys, password }) => [
      hostname,
      host,
      port,
      user,
      hostKeys,
      password,
    ]),
    [
      ['gate', 'gate', 2022, userInfo().username, 'accept-new', undefined],
      ['outer', '192.0.2.1', 2200, 'bob', 'strict', undefined],
      ['inner', 'inner', 22, 'carol', 'strict', undefined],
    ],
  );
  assert.deepEqual(spec.hops[1]?.identity, ['/keys/outer']);
  assert(spec.hops.every(({ asks }) => asks?.passphrase === true));
});

for (const [what, text, code, says] of [
  [
    'ProxyCommand',
    'ProxyCommand nc %h %p',
    'ERR_SSH_CONFIG_UNSUPPORTED',
    /^ssh_config of web1: ProxyCommand is not supported/,
  ],
  [
    'a hop with ProxyCommand',
    'Host web1\nProxyJump hop\nHost hop\nProxyCommand nc',
    'ERR_SSH_CONFIG_UNSUPPORTED',
    /^ssh_config of hop: ProxyCommand/,
  ],
  [
    'hops that lead to each other',
    'Host a web1\nProxyJump b\nHost b\nProxyJump a',
    'ERR_SSH_CONFIG_UNSUPPORTED',
    /more than 10 hops/,
  ],
  [
    'StrictHostKeyChecking no',
    'StrictHostKeyChecking no',
    'ERR_SSH_CONFIG_UNSUPPORTED',
    /StrictHostKeyChecking no: every host key is checked/,
  ],
  ['StrictHostKeyChecking off', 'StrictHostKeyChecking off', 'ERR_SSH_CONFIG_UNSUPPORTED', /every host key is checked/],
  [
    'nothing but unknown ciphers',
    'MACs umac-64@openssh.com',
    'ERR_SSH_CONFIG_UNSUPPORTED',
    /MACs names no supported algorithm: umac-64/,
  ],
  [
    'accept-new without a file',
    'StrictHostKeyChecking accept-new\nUserKnownHostsFile none',
    'ERR_SSH_CONFIG_UNSUPPORTED',
    /no UserKnownHostsFile/,
  ],
  ['an unknown token', 'IdentityFile /a%Zb', 'ERR_SSH_CONFIG_UNSUPPORTED', /\/a%Zb has an unsupported token: %Z/],
  [
    'a file that ssh does not take',
    'NoSuchOption 1',
    'ERR_SSH_CONFIG',
    /^ssh -G does not accept web1: .*terminating, 1 bad configuration options/,
  ],
] as const) {
  test(`refused with a clear error: ${what}`, async () => {
    await assert.rejects(specOf('web1', text), { code, message: says });
  });
}

test('a name that could be an option of ssh is refused, and so is a path that is none', async () => {
  for (const name of ['-oProxyCommand=touch x', '', 'a b', 'me@web1', 7 as unknown as string]) {
    await assert.rejects(SshDrone.fromSshConfig(name), { code: 'ERR_INVALID_ARG', message: /^name is / });
  }
  await assert.rejects(SshDrone.fromSshConfig('web1', { configFile: '' }), { code: 'ERR_INVALID_ARG' });
  const missing = SshDrone.fromSshConfig('web1', { configFile: join(folder, 'missing') });
  await assert.rejects(missing, { code: 'ERR_SSH_CONFIG', message: /missing: No such file/ });
});

test('without an ssh program the error says so', async () => {
  const file = await configFile('');
  process.env['PATH'] = folder;
  await assert.rejects(SshDrone.fromSshConfig('web1', { configFile: file }), {
    code: 'ERR_SSH_NOT_FOUND',
    message: /there is no program 'ssh' on this machine/,
  });
});

test('of hundreds of names, eight are asked about at once', async () => {
  const bin = join(folder, 'bin');
  await mkdir(bin);
  const log = join(folder, 'log');
  // Each leaves a file while it runs, and writes down how many there are.
  await writeFile(
    join(bin, 'ssh'),
    `#!/bin/sh\nmkdir -p ${log}; : > ${log}/$$; ls ${log} | grep -c . >> ${log}.counts; sleep 0.02; rm ${log}/$$; echo "hostname h"\n`,
  );
  await chmod(join(bin, 'ssh'), 0o755);
  process.env['PATH'] = `${bin}${delimiter}${pathBefore ?? ''}`;
  const names = Array.from({ length: 100 }, (_, at) => `web${String(at)}`);
  const drones = await Promise.all(names.map(name => SshDrone.fromSshConfig(name)));
  assert.deepEqual(
    drones.map(({ hostname }) => hostname),
    names,
  );
  const counts = (await readFile(`${log}.counts`, 'utf8')).trim().split('\n').map(Number);
  assert(counts.length >= 100);
  assert(Math.max(...counts) <= 8, String(Math.max(...counts)));
});

test('a drone from ssh_config is reached through its hop behind a real sshd', async () => {
  await using sshd = await startSshd();
  const [hop, end] = sshd.addresses;
  const text = `Host *
      User ${sshd.user}
      Port ${String(sshd.port)}
      IdentityFile ${sshd.identity}
      IdentityAgent none
      UserKnownHostsFile ${sshd.knownHosts}
      GlobalKnownHostsFile none
    Host end
      HostName ${end ?? ''}
      ProxyJump hop
    Host hop
      HostName ${hop ?? ''}`;
  const file = await configFile(text);
  const { agentCommand } = sshd.droneOptions();
  const drone = await SshDrone.fromSshConfig('end', { configFile: file, agentCommand });
  const session = await openSession(drone, { input: Buffer.from('hello') });
  assert.equal(String(await session.received(5)), 'hello');
  await close(session);
  const strange = await SshDrone.fromSshConfig('end', { configFile: file, knownHosts: join(folder, 'none') });
  const error = await refusal(strange);
  assert.equal(error.code, 'ERR_HOST_KEY_UNKNOWN');
});
