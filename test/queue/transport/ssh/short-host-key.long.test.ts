/** The shortest RSA host key that a real server serves, at drones that want a longer one. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { DroneTaskQueue, SshDrone, type SshDroneOptions } from 'drone-task-queue';
import { failureOf } from '../../../contract/rejections.js';
import { leakCheck } from '../../../support/leak-check.js';
import { type Sshd, startSshd } from '../../../support/sshd.js';

let folder: string;
let short: Sshd;
let fingerprint: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drone-short-'));
  const key = join(folder, 'host_rsa');
  execFileSync('ssh-keygen', ['-q', '-t', 'rsa', '-b', '1024', '-N', '', '-f', key]);
  const [, bytes = ''] = readFileSync(`${key}.pub`, 'utf8').split(' ');
  fingerprint = `SHA256:${createHash('sha256').update(bytes, 'base64').digest('base64').replace(/=+$/, '')}`;
  short = await startSshd({ HostKey: key, HostKeyAlgorithms: 'rsa-sha2-512' }, 1);
});
after(async () => {
  await short.stop();
  await rm(folder, { recursive: true });
});
leakCheck();

function pinned(): SshDroneOptions {
  return { ...short.droneOptions(), hostKeys: { fingerprints: [fingerprint] } };
}

const WANTED: readonly (readonly [who: string, options: (sshd: Sshd) => SshDroneOptions])[] = [
  ['a drone that pins it', () => ({ ...pinned(), minRsaBits: 1025 })],
  [
    'a drone that takes new ones',
    () => ({ ...short.droneOptions(), hostKeys: 'accept-new', knownHosts: join(folder, 'new'), minRsaBits: 2048 }),
  ],
  [
    'a drone behind such a hop',
    sshd => ({ ...sshd.droneOptions(), via: new SshDrone('hop', { ...pinned(), minRsaBits: 2048 }) }),
  ],
];

for (const [who, options] of WANTED) {
  test(`a host key that is too short fails ${who} with a causeCode, before any credential`, async () => {
    await using sshd = await startSshd({}, 1);
    await using queue = new DroneTaskQueue();
    const drone = new SshDrone('short', options(sshd));
    const call = drone.queueCall('run', 'true');
    const failure = failureOf(await queue.settle([drone]), drone);
    assert.deepEqual([failure.kind, failure.phase], ['host-key', 'handshake'], failure.message);
    assert.equal(failure.causeCode, 'ERR_HOST_KEY_TOO_SHORT');
    assert.match(failure.message, /too short: ssh-rsa SHA256:\S+ \(minRsaBits is \d+\)/);
    assert.deepEqual(failure.notStarted, [call]);
  });
}

test('without minRsaBits, and with one that it has, the key is taken', async () => {
  await using queue = new DroneTaskQueue();
  for (const minRsaBits of [undefined, 1024]) {
    const drone = new SshDrone('short', { ...pinned(), minRsaBits });
    assert.equal((await queue.call(drone, 'run', 'echo there')).stdout, 'there\n');
  }
});
