/** The line with a server's version, which the signatures of a login cover. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { DroneTaskQueue, SshDrone } from 'drone-task-queue';
import { failureOf } from '../../../contract/rejections.js';
import { leakCheck } from '../../../support/leak-check.js';
import { SocketServer } from '../../../support/socket-server.js';
import { pinnedKeys, startSshd } from '../../../support/sshd.js';

leakCheck();

const PAUSE_MS = 5;

async function inPieces(client: Socket, bytes: Buffer, length: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += length) {
    client.write(bytes.subarray(at, at + length));
    await delay(PAUSE_MS);
  }
}

for (const length of [1, 12]) {
  for (const greeting of ['', 'Authorized use only.\r\n\r\nOf whom it concerns.\n']) {
    const behind = greeting === '' ? '' : ', behind a greeting';
    test(`a version line in segments of ${String(length)} bytes is put together${behind}`, async () => {
      await using sshd = await startSshd({}, 1);
      await using greeter = await SocketServer.start(async (client, keep) => {
        const server = keep(connect({ host: sshd.addresses[0], port: sshd.port, noDelay: true }));
        client.pipe(server);
        const [first] = (await once(server, 'data')) as [Buffer];
        server.pause();
        const end = first.indexOf('\n') + 1;
        await inPieces(client, Buffer.concat([Buffer.from(greeting), first.subarray(0, end)]), length);
        client.write(first.subarray(end));
        server.pipe(client);
      });
      await using queue = new DroneTaskQueue();
      const address = { host: '127.0.0.1', port: greeter.port, hostKeys: pinnedKeys(sshd) };
      const drone = new SshDrone('cut', { ...sshd.droneOptions(), ...address });
      assert.equal((await queue.call(drone, 'run', 'echo there')).stdout, 'there\n');
    });
  }
}

test('a server that talks on and never names a version is left', async () => {
  await using greeter = await SocketServer.start(async client => {
    client.resume();
    const line = Buffer.from(`${'x'.repeat(78)}\r\n`);
    while (client.writable) {
      if (!client.write(line)) await Promise.race([once(client, 'drain'), once(client, 'close')]);
    }
  });
  await using queue = new DroneTaskQueue();
  const hostKeys = { fingerprints: [`SHA256:${'A'.repeat(43)}`] };
  const drone = new SshDrone('talker', { host: '127.0.0.1', port: greeter.port, agentSocket: false, hostKeys });
  drone.queueCall('run', 'true');
  const failure = failureOf(await queue.settle([drone]), drone);
  assert.equal(failure.kind, 'unreachable');
  assert.match(failure.message, /failed at the handshake: the server sent no version of SSH|greeting lines exceeded/);
});
