/** Revoked host keys in lists and KRLs: each verdict is compared with that of ssh itself. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { promisify } from 'node:util';
import { SshDrone } from '../../../../src/queue/drone/ssh-drone.js';
import { fingerprintOf } from '../../../../src/queue/transport/ssh/host-key.js';
import { leakCheck } from '../../../support/leak-check.js';
import { type Sshd, startSshd } from '../../../support/sshd.js';
import { close, openSession, refusal } from './agent-session.js';

let folder: string;
let sshd: Sshd;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'drone-revoked-'));
  sshd = await startSshd();
});
after(async () => {
  await sshd.stop();
  rmSync(folder, { recursive: true });
});
leakCheck();

let files = 0;
function file(contents: string | Buffer): string {
  const path = join(folder, `file-${String(files++)}`);
  writeFileSync(path, contents);
  return path;
}

/** `type base64` of the server's keys: ed25519, which it shows, and ecdsa. */
function hostKeys(): string[] {
  const lines = readFileSync(sshd.knownHosts, 'utf8').trim().split('\n');
  return lines.map(line => line.split(' ').slice(1, 3).join(' '));
}

function shown(): string {
  return hostKeys().find(line => line.startsWith('ssh-ed25519')) ?? '';
}

function otherKey(): string {
  const path = join(folder, `key-${String(files++)}`);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'a remark', '-f', path]);
  return readFileSync(`${path}.pub`, 'utf8').trim();
}

function krl(lines: string): string {
  const path = join(folder, `krl-${String(files++)}`);
  execFileSync('ssh-keygen', ['-q', '-k', '-f', path, file(`${lines}\n`)]);
  return path;
}

function fingerprint(key: string): string {
  return fingerprintOf(Buffer.from(key.split(' ')[1] ?? '', 'base64'));
}

/** Extends a KRL by a section. */
function extended(path: string, kind: number, contents: Buffer): string {
  const length = Buffer.alloc(5);
  length.writeUInt8(kind);
  length.writeUInt32BE(contents.length, 1);
  return file(Buffer.concat([readFileSync(path), length, contents]));
}

function configFor(revoked: string): string {
  return file(
    `Host end
       HostName ${sshd.addresses[0] ?? ''}
       User ${sshd.user}
       Port ${String(sshd.port)}
       IdentityFile ${sshd.identity}
       IdentityAgent none
       IdentitiesOnly yes
       UserKnownHostsFile ${sshd.knownHosts}
       GlobalKnownHostsFile none
       RevokedHostKeys ${revoked}\n`,
  );
}

const REVOKED = { code: 'ERR_HOST_KEY_REVOKED' } as const;

for (const [what, make, verdict] of [
  ['a list with another key', () => file(`# lost\n\n${otherKey()}\n`), 'in'],
  ['an empty list', () => file(''), 'in'],
  [
    'a list with the key',
    () => file(`# stolen\n${otherKey()}\n  ${shown()} a remark`),
    /revoked: .* \(listed in .* line 3\)/,
  ],
  ['a list with only the key that the server does not show', () => file(`${hostKeys()[1] ?? ''}\n`), 'in'],
  [
    'a list with a line that is not a key',
    () => file(`${otherKey()}\nssh-ed25519 AAAA\n`),
    /line 2 is not a public key/,
  ],
  ['a file that is not there', () => join(folder, 'absent'), /cannot be read, so no host key is accepted: ENOENT/],
  ['a directory', () => folder, /cannot be read, so no host key is accepted: EISDIR/],
  ['a KRL with another key', () => krl(otherKey()), 'in'],
  ['a KRL with the key', () => krl(`${otherKey()}\n${shown()}`), /revoked: .* \(listed in \S+krl-\d+\)/],
  ['a KRL with the SHA-1 of the key', () => krl(`sha1: ${shown()}`), /revoked: /],
  ['a KRL with the SHA-256 of the key', () => krl(`sha256: ${shown()}`), /revoked: /],
  ['a KRL with its fingerprint', () => krl(`hash: ${fingerprint(shown())}`), /revoked: /],
  ['a KRL that is cut', () => file(readFileSync(krl(shown())).subarray(0, -3)), /damaged key revocation list/],
  ['a KRL with an unknown section', () => extended(krl(otherKey()), 77, Buffer.alloc(0)), /unknown kind 77/],
] as const) {
  test(`${what} gives the verdict of ssh`, async () => {
    const config = configFor(make());
    const byItself = promisify(execFile)('ssh', ['-F', config, '-o', 'BatchMode=yes', 'end', 'true']);
    const { agentCommand } = sshd.droneOptions();
    const drone = await SshDrone.fromSshConfig('end', { configFile: config, agentCommand });
    if (verdict === 'in') {
      await byItself;
      await close(await openSession(drone));
    } else {
      await assert.rejects(byItself, { code: 255 });
      const error = await refusal(drone);
      assert.equal(error.kind, 'host-key');
      assert.match(error.message, verdict);
      assert.equal(
        'code' in error ? error.code : undefined,
        String(verdict).includes('revoked: ') ? REVOKED.code : undefined,
      );
    }
  });
}

test('a revoked key is refused even if it is pinned, or new and would be recorded', async () => {
  const revokedHostKeys = file(`${shown()}\n`);
  const fingerprints = [fingerprint(shown())];
  const trust = [{ hostKeys: { fingerprints } }, { hostKeys: 'accept-new', knownHosts: join(folder, 'new') }] as const;
  for (const each of trust) {
    const error = await refusal({ ...sshd.droneOptions(), ...each, revokedHostKeys });
    assert.equal(error.code, REVOKED.code);
  }
});

test('the revoked key of a hop is refused with the name of the hop', async () => {
  const via = `${sshd.user}@${sshd.addresses[1] ?? ''}:${String(sshd.port)}`;
  const error = await refusal({ ...sshd.droneOptions(), via, revokedHostKeys: file(`${shown()}\n`) });
  assert.equal(error.code, REVOKED.code);
  assert.match(error.message, /^via \S+@127\.0\.1\.2:\d+: host key of/);
});

test('an RSA host key below minRsaBits is refused, an address of the other family too', async () => {
  const key = join(folder, 'host_rsa');
  execFileSync('ssh-keygen', ['-q', '-t', 'rsa', '-b', '2048', '-N', '', '-f', key]);
  await using server = await startSshd({ HostKey: key, HostKeyAlgorithms: 'rsa-sha2-512' });
  const fingerprints = [fingerprint(readFileSync(`${key}.pub`, 'utf8'))];
  const options = { ...server.droneOptions(), hostKeys: { fingerprints } };
  await close(await openSession({ ...options, minRsaBits: 2048, addressFamily: 4 }));
  const short = await refusal({ ...options, minRsaBits: 2049 });
  assert.equal(short.kind, 'host-key');
  assert.match(short.message, /host key of \S+ is too short: ssh-rsa SHA256:\S+ \(minRsaBits is 2049\)/);
  assert.equal(short.code, 'ERR_HOST_KEY_TOO_SHORT');
  const family = await refusal({ ...options, addressFamily: 6 });
  assert.equal(family.kind, 'unreachable');
  assert.match(family.message, /127\.0\.1\.1 has no IPv6 address, which addressFamily requires/);
});
