/** Each setting that ssh prints has its place: in the table, and in what becomes of a drone. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import test, { after, afterEach, before } from 'node:test';
import { endpointOf } from '../../../../src/queue/drone/drone.js';
import { type FromSshConfigOptions, SshDrone } from '../../../../src/queue/drone/ssh-drone.js';
import { SETTINGS } from '../../../../src/queue/transport/ssh/config-table.js';
import type { SshEndpointSpec } from '../../../../src/queue/transport/ssh/ssh-endpoint.js';
import { leakCheck } from '../../../support/leak-check.js';

let folder: string;
const pathBefore = process.env['PATH'];
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'drone-ssh-settings-'));
});
after(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  process.env['PATH'] = pathBefore;
});
leakCheck();

let files = 0;
function configFile(text: string): string {
  const path = join(folder, `config-${String(files++)}`);
  writeFileSync(path, text);
  return path;
}

async function specOf(text: string, options: FromSshConfigOptions = {}): Promise<SshEndpointSpec> {
  const drone = await SshDrone.fromSshConfig('web1', { ...options, configFile: configFile(text) });
  return endpointOf(drone).spec as SshEndpointSpec;
}

/** A program in place of ssh that prints what ssh prints, and more. */
function wrapSsh(more: string): void {
  const env = { ...process.env, PATH: pathBefore };
  const ssh = execFileSync('sh', ['-c', 'command -v ssh'], { encoding: 'utf8', env }).trim();
  const program = join(folder, 'ssh');
  writeFileSync(program, `#!/bin/sh\n${ssh} "$@"\n${more}\n`);
  chmodSync(program, 0o755);
  process.env['PATH'] = `${folder}${delimiter}${pathBefore ?? ''}`;
}

/** Settings that ssh prints only where they are set, with a value that it takes. */
const ONLY_IF_SET = {
  BindAddress: '127.0.0.1',
  BindInterface: 'lo',
  CertificateFile: '/keys/a-cert.pub',
  ControlPath: '/tmp/%C',
  DynamicForward: '1080',
  GSSAPIClientIdentity: 'me',
  GSSAPIServerIdentity: 'host',
  HostKeyAlias: 'farm',
  IdentityAgent: 'none',
  IgnoreUnknown: 'Nothing',
  KbdInteractiveDevices: 'pam',
  KnownHostsCommand: '/bin/true',
  LocalCommand: 'true',
  LocalForward: '1080 localhost:80',
  PKCS11Provider: '/lib/p11.so',
  PreferredAuthentications: 'publickey',
  ProxyCommand: 'nc %h %p',
  RemoteCommand: 'true',
  RemoteForward: '1080 localhost:80',
  RevokedHostKeys: '/revoked',
  SendEnv: 'LANG',
  SetEnv: 'A=b',
};

test('the table has every setting that the installed ssh prints', () => {
  // Of the patches of distributions, a setting may be missing.
  const lines = Object.entries({ ...ONLY_IF_SET }).map(([name, value]) => `${name} ${value}`);
  const file = configFile(['IgnoreUnknown GSSAPI*,Nothing', ...lines].join('\n'));
  const known = new Set(Object.keys(SETTINGS).map(name => name.toLowerCase()));
  const printed = new Set<string>();
  for (const config of ['/dev/null', file]) {
    const text = execFileSync('ssh', ['-G', '-T', '-F', config, 'web1'], { encoding: 'utf8' });
    for (const line of text.trim().split('\n')) printed.add((line.split(' ')[0] ?? '').toLowerCase());
  }
  assert.deepEqual(
    [...printed].filter(name => !known.has(name)),
    [],
  );
  const unseen = Object.keys(ONLY_IF_SET).filter(
    name => !printed.has(name.toLowerCase()) && !name.startsWith('GSSAPI'),
  );
  assert.deepEqual(unseen, []);
});

test('the table is in the order of the alphabet', () => {
  assert.deepEqual(
    Object.keys(SETTINGS),
    Object.keys(SETTINGS).sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1)),
  );
});

const REFUSED = {
  BindAddress: '127.0.0.1',
  BindInterface: 'lo',
  CertificateFile: '/keys/a-cert.pub',
  CheckHostIP: 'yes',
  HostbasedAuthentication: 'yes',
  KnownHostsCommand: '/bin/true',
  NoHostAuthenticationForLocalhost: 'yes',
  PKCS11Provider: '/lib/p11.so',
  ProxyCommand: 'nc %h %p',
  RefuseConnection: '"gone"',
  VerifyHostKeyDNS: 'yes',
};
const GIVEN: FromSshConfigOptions = { hostKeys: 'strict', knownHosts: '/known', identity: '/key', via: [] };

test('the table refuses exactly these settings', () => {
  const refused = Object.keys(SETTINGS).filter(name => SETTINGS[name]?.use === 'refused');
  assert.deepEqual(refused, Object.keys(REFUSED));
});

for (const [name, value] of Object.entries(REFUSED)) {
  test(`${name} ${value} is refused by name, or answered by an option`, async () => {
    // Only ssh 10 has it.
    if (name === 'RefuseConnection') wrapSsh('[ "$4" = /dev/null ] || echo refuseconnection gone');
    const text = name === 'RefuseConnection' ? '' : `${name} ${value}`;
    const refusal = {
      code: 'ERR_SSH_CONFIG_UNSUPPORTED',
      message: new RegExp(`^ssh_config of web1: ${name} is not supp`),
    };
    await assert.rejects(specOf(text), refusal);
    const unless = SETTINGS[name]?.unless ?? [];
    for (const option of unless) await specOf(text, { [option]: GIVEN[option as keyof typeof GIVEN] });
  });
}

test('BindAddress and AddressFamily do not matter behind a hop, and do at the first', async () => {
  const text = (setting: string): string => `Host web1\nProxyJump gate\n${setting}\nHost gate\n`;
  const spec = await specOf(text('BindAddress 127.0.0.1\nAddressFamily inet6'));
  assert.deepEqual([spec.addressFamily, spec.hops[0]?.addressFamily], [undefined, undefined]);
  const hop = await specOf(`${text('')}AddressFamily inet`);
  assert.equal(hop.hops[0]?.addressFamily, 4);
  await assert.rejects(specOf(`${text('')}BindAddress 127.0.0.1`), {
    code: 'ERR_SSH_CONFIG_UNSUPPORTED',
    message: /^ssh_config of gate: BindAddress is not supported/,
  });
});

test('a setting of a newer ssh that differs from its default is refused', async () => {
  wrapSsh('[ "$4" = /dev/null ] || echo trustsomebody yes');
  await assert.rejects(specOf(''), {
    code: 'ERR_SSH_CONFIG_UNSUPPORTED',
    message: /^ssh_config of web1: unknown setting trustsomebody, which might change/,
  });
});

test('what distributions set for every host is not refused', async () => {
  await specOf(
    'SendEnv LANG LC_*\nHashKnownHosts yes\nGSSAPIAuthentication yes\nForwardX11Trusted yes\nForwardAgent yes',
  );
  await specOf('ControlMaster auto\nControlPath /tmp/%C\nControlPersist 10\nAddKeysToAgent yes\nVerifyHostKeyDNS ask');
});

test('settings about trust and keys become options', async () => {
  const spec = await specOf(
    `RevokedHostKeys /revoked/a
     AddressFamily inet6
     RequiredRSASize 3072
     PubkeyAcceptedAlgorithms rsa-sha2-512,sk-ssh-ed25519@openssh.com`,
  );
  assert.deepEqual(
    [spec.revokedHostKeys, spec.addressFamily, spec.minRsaBits, spec.publicKeyAlgorithms],
    [['/revoked/a'], 6, 3072, ['rsa-sha2-512']],
  );
  const plain = await specOf('');
  assert.deepEqual(
    [plain.revokedHostKeys, plain.addressFamily, plain.minRsaBits, plain.publicKeyAlgorithms],
    [[], undefined, undefined, undefined],
  );
});

for (const text of ['PubkeyAuthentication no', 'PreferredAuthentications password,keyboard-interactive']) {
  test(`with ${text} no key is offered, of a file or an ssh-agent`, async () => {
    const spec = await specOf(`${text}\nIdentityFile /key\nIdentityAgent /run/agent`);
    assert.deepEqual([spec.identity, spec.agentSocket], [[], undefined]);
    assert.deepEqual((await specOf(text, { identity: '/key' })).identity, ['/key']);
  });
}
