/** Private keys in formats other than OpenSSH's: what ssh takes logs in, and what it does not is named. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { loadIdentity } from '../../../../src/queue/transport/ssh/identity.js';
import { installPackage } from '../../../support/debian-package.js';
import { leakCheck } from '../../../support/leak-check.js';
import { type Sshd, startSshd } from '../../../support/sshd.js';
import { close, openSession, refusal } from './agent-session.js';

const PASSPHRASE = 'secret words';

let folder: string;
let sshd: Sshd;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'drone-keys-'));
  sshd = await startSshd();
});
after(async () => {
  await sshd.stop();
  rmSync(folder, { recursive: true });
});
leakCheck();

let files = 0;
const newPath = (): string => join(folder, `key-${String(files++)}`);

function openssl(...args: string[]): string {
  const path = newPath();
  execFileSync('openssl', [...args, '-out', path], { stdio: 'ignore' });
  chmodSync(path, 0o600);
  return path;
}

const RSA = ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'];
const EC = ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'];
const ENCRYPT = ['-aes-256-cbc', '-pass', `pass:${PASSPHRASE}`];

/** Lets in a key, whose public part ssh2 or OpenSSL finds. */
async function letIn(path: string, passphrase?: string): Promise<void> {
  const identity = await loadIdentity(path);
  const key = identity.key ?? identity.open(passphrase ?? '');
  await appendFile(sshd.authorizedKeys, `\n${key.type} ${key.getPublicSSH().toString('base64')}\n`);
}

for (const [what, make] of [
  ['RSA in PKCS#8', () => openssl(...RSA)],
  ['ECDSA in PKCS#8', () => openssl(...EC)],
  ['Ed25519 in PKCS#8', () => openssl('genpkey', '-algorithm', 'ED25519')],
  ['RSA in encrypted PKCS#8', () => openssl(...RSA, ...ENCRYPT)],
  ['Ed25519 in encrypted PKCS#8', () => openssl('genpkey', '-algorithm', 'ED25519', ...ENCRYPT)],
  ['ECDSA behind its parameters', () => openssl('ecparam', '-name', 'prime256v1', '-genkey')],
  [
    'PKCS#8 with remarks in front',
    () => {
      const path = openssl(...RSA);
      writeFileSync(path, `Bag Attributes\r\n    friendlyName: web\r\n${readFileSync(path, 'utf8')}`);
      return path;
    },
  ],
] as const) {
  test(`a key logs in: ${what}`, async () => {
    const path = make();
    const passphrase = what.includes('encrypted') ? PASSPHRASE : undefined;
    await letIn(path, passphrase);
    await close(await openSession({ ...sshd.droneOptions(), identity: path, passphrase }));
    if (passphrase === undefined) return;
    const wrong = await refusal({ ...sshd.droneOptions(), identity: path, passphrase: 'not this' });
    assert.match(wrong.message, /key \S+ \(the passphrase is wrong\)/);
    const none = await refusal({ ...sshd.droneOptions(), identity: path });
    assert.match(none.message, /key \S+ \(has a passphrase, but none was given\)/);
  });
}

for (const [what, args, says] of [
  ['Ed448', ['genpkey', '-algorithm', 'ED448'], /holds a key of type ed448, which SSH does not support/],
  ['secp256k1', ['ecparam', '-name', 'secp256k1', '-genkey'], /holds a key of type ec secp256k1, which SSH does not/],
  ['DER', ['genpkey', '-algorithm', 'ED25519', '-outform', 'DER'], /may be a key in DER; convert it with openssl pkey/],
] as const) {
  test(`a key that is not for SSH is named: ${what}`, async () => {
    await assert.rejects(loadIdentity(openssl(...args)), says);
  });
}

test('a certificate and damaged PEM are named', async () => {
  const path = newPath();
  writeFileSync(path, 'ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29t\n');
  await assert.rejects(loadIdentity(path), /certificate|is not a private key/);
  writeFileSync(path, '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n');
  await assert.rejects(loadIdentity(path), /is not a private key in a supported format/);
});

test('a PuTTY key is named with a line of puttygen, which makes one that logs in', async () => {
  await installPackage('putty-tools', { program: '/usr/bin/puttygen' });
  for (const type of ['ed25519', 'ecdsa']) {
    const path = `${newPath()}.ppk`;
    const empty = newPath();
    writeFileSync(empty, '');
    const args = ['-q', '-t', type, '-o', path, '--new-passphrase', empty];
    execFileSync('puttygen', args, { stdio: 'ignore' });
    const error = await refusal({ ...sshd.droneOptions(), identity: path });
    const [, version, command = ''] =
      /\(is a PuTTY key of version (\d) and type \S+; convert it with (puttygen [^)]+)\)/.exec(error.message) ?? [];
    assert.equal(version, '3', error.message);
    execFileSync('sh', ['-c', command], { stdio: 'ignore' });
    const identity = `${path}.openssh`;
    await letIn(identity);
    await close(await openSession({ ...sshd.droneOptions(), identity }));
  }
});
