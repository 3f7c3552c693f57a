/** RSA keys and the signature algorithms that real servers take. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { signatureAlgorithms } from '../../../../src/queue/transport/ssh/rsa.js';
import { leakCheck } from '../../../support/leak-check.js';
import { startSshd } from '../../../support/sshd.js';
import { close, openSession, refusal } from './agent-session.js';

let folder: string;
let key: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'drone-rsa-'));
  key = join(folder, 'id_rsa');
  execFileSync('ssh-keygen', ['-q', '-t', 'rsa', '-b', '2048', '-N', '', '-f', key]);
});
after(() => rmSync(folder, { recursive: true }));
leakCheck();

async function startAgent(): Promise<{ socket: string; agent: ChildProcess }> {
  const socket = join(folder, `agent-${String(Math.random()).slice(2)}`);
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(agent.stdout as NodeJS.ReadableStream, 'data');
  agent.stdout?.resume();
  execFileSync('ssh-add', ['-q', key], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'ignore' });
  return { socket, agent };
}

for (const algorithms of ['rsa-sha2-512', 'rsa-sha2-256']) {
  test(`a server that takes ${algorithms} only lets in the RSA key of a file, and that of an ssh-agent`, async () => {
    await using sshd = await startSshd({ PubkeyAcceptedAlgorithms: algorithms });
    appendFileSync(sshd.authorizedKeys, readFileSync(`${key}.pub`));
    const file = { ...sshd.droneOptions(), identity: key };
    await close(await openSession(file));
    const { socket, agent } = await startAgent();
    try {
      await close(await openSession({ ...sshd.droneOptions(), identity: [], agentSocket: socket }));
    } finally {
      agent.kill();
      await once(agent, 'exit');
    }
    // The setting of ssh_config that leaves out what the server takes.
    const other = ['rsa-sha2-512', 'rsa-sha2-256'].filter(name => name !== algorithms);
    const error = await refusal({ ...file, publicKeyAlgorithms: other });
    assert.equal(error.kind, 'auth');
    const short = await refusal({ ...file, minRsaBits: 2049 });
    assert.match(short.message, /has 2048 bits, and minRsaBits is 2049/);
  });
}

test('the best algorithm comes first, and SHA-1 only where there is no better one', () => {
  const all = ['ssh-ed25519', 'ssh-rsa', 'rsa-sha2-256', 'rsa-sha2-512'];
  assert.deepEqual(signatureAlgorithms('ssh-rsa', all, undefined), ['rsa-sha2-512', 'rsa-sha2-256']);
  assert.deepEqual(signatureAlgorithms('ssh-rsa', undefined, undefined), ['ssh-rsa', 'rsa-sha2-512', 'rsa-sha2-256']);
  assert.deepEqual(signatureAlgorithms('ssh-rsa', ['ssh-rsa'], undefined), ['ssh-rsa']);
  assert.deepEqual(signatureAlgorithms('ssh-rsa', all, ['ssh-rsa']), ['ssh-rsa']);
  assert.deepEqual(signatureAlgorithms('ssh-rsa', ['ssh-ed25519'], undefined), []);
  assert.deepEqual(signatureAlgorithms('ssh-ed25519', ['rsa-sha2-512'], undefined), ['ssh-ed25519']);
  assert.deepEqual(signatureAlgorithms('ssh-ed25519', undefined, ['rsa-sha2-512']), []);
});
