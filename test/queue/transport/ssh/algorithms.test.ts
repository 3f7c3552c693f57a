import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import test from 'node:test';
import { ALGORITHMS } from '../../../../src/queue/transport/ssh/algorithms.js';
import { startSshd } from '../../../support/sshd.js';
import { leakCheck } from '../../../support/leak-check.js';
import { close, openSession, refusal } from './agent-session.js';

leakCheck();

test('the names that are taken are those that ssh2 has', () => {
  const constants = createRequire(import.meta.url)('ssh2/lib/protocol/constants.js') as Record<string, string[]>;
  const { SUPPORTED_CIPHER, SUPPORTED_KEX, SUPPORTED_MAC, SUPPORTED_SERVER_HOST_KEY } = constants;
  assert.deepEqual([...ALGORITHMS.ciphers].sort(), SUPPORTED_CIPHER?.slice().sort());
  assert.deepEqual([...ALGORITHMS.kex].sort(), SUPPORTED_KEX?.slice().sort());
  assert.deepEqual([...ALGORITHMS.macs].sort(), SUPPORTED_MAC?.slice().sort());
  // DSA, which our check of host keys does not know, is not missed.
  const hostKeys = SUPPORTED_SERVER_HOST_KEY?.filter(name => name !== 'ssh-dss');
  assert.deepEqual([...ALGORITHMS.hostKeyAlgorithms].sort(), hostKeys?.sort());
});

test('a server is offered the algorithms that were given, and no others', async () => {
  await using sshd = await startSshd({
    Ciphers: 'aes256-ctr',
    MACs: 'hmac-sha2-512',
    KexAlgorithms: 'ecdh-sha2-nistp521',
  });
  const options = { ...sshd.droneOptions(), hostKeyAlgorithms: ['ecdsa-sha2-nistp256'] };
  const given = { ciphers: ['aes128-ctr', 'aes256-ctr'], macs: ['hmac-sha2-512'], kex: ['ecdh-sha2-nistp521'] };
  await close(await openSession({ ...options, ...given }));
  for (const wrong of [{ ciphers: ['aes128-ctr'] }, { macs: ['hmac-sha1'] }, { kex: ['curve25519-sha256'] }]) {
    const error = await refusal({ ...options, ...given, ...wrong });
    assert.equal(error.kind, 'unreachable');
    assert.match(error.message, /no matching/);
  }
});
