/** Drones that keep failing, behind a real sshd and a network that fails on request, while their neighbours go on. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import test, { after, before } from 'node:test';
import { type AnyDrone, events, SshDrone } from 'drone-task-queue';
import { queues, type Queue } from '../../../contract/queues.js';
import { failureOf } from '../../../contract/rejections.js';
import { Witness } from '../../../contract/witness.js';
import { Others } from '../../../faults/others.js';
import { leakCheck } from '../../../support/leak-check.js';
import { type Sshd, startSshd } from '../../../support/sshd.js';
import { startTcpProxy, type TcpProxy } from '../../../support/tcp-proxy.js';

let sshd: Sshd;
before(async () => {
  sshd = await startSshd({}, 3);
});
after(async () => {
  await sshd.stop();
});

leakCheck();

/** An address that takes connections and never says anything. */
class BlackHole implements AsyncDisposable {
  connects = 0;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer(socket => {
    this.connects++;
    this.#sockets.add(socket.on('error', () => undefined));
  });

  async port(): Promise<number> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    return Promise.resolve();
  }
}

function healthy(): Others {
  return new Others(sshd.addresses.slice(1).map(address => new SshDrone(address, sshd.droneOptions(address))));
}

/** The drone that the proxy stands in front of. */
async function behind(proxy: TcpProxy): Promise<SshDrone> {
  const { knownHosts: _, ...options } = sshd.droneOptions();
  const lines = (await readFile(sshd.knownHosts, 'utf8')).trim().split('\n');
  const keys = lines.map(line => Buffer.from(line.split(' ')[2] ?? '', 'base64'));
  const fingerprints = keys.map(key => `SHA256:${createHash('sha256').update(key).digest('base64')}`);
  return new SshDrone('flaky', { ...options, host: '127.0.0.1', port: proxy.port, hostKeys: { fingerprints } });
}

/** A round of all; the neighbours' results are complete and right. */
async function failRound(queue: Queue, others: Others, drone: AnyDrone): Promise<string> {
  others.queueCalls();
  const round = await queue.settle([drone, ...others.drones]);
  others.assertFine(round.results);
  return failureOf(round, drone).kind;
}

for (const make of queues) {
  test(`${make.name}: a server that goes away is left alone, and its drone readmitted when it is back`, async () => {
    using closed = new Witness(events.linkClose);
    using back = new Witness(events.droneReadmitted);
    await using proxy = await startTcpProxy({ host: sshd.addresses[0] ?? '', port: sshd.port });
    await using queue = make({ kickOut: { afterFailures: 2, probeEveryMs: 100 } });
    const drone = await behind(proxy);
    const others = healthy();
    assert.equal((await queue.call(drone, 'run', 'echo warm')).stdout, 'warm\n');
    await proxy.refuse(true);
    proxy.cut();
    await closed.first(({ hostname }) => hostname === 'flaky');
    const call = drone.queueCall('run', 'echo kept');
    const kinds: string[] = [];
    for (let round = 0; round < 4; round++) kinds.push(await failRound(queue, others, drone));
    assert.deepEqual(kinds, ['unreachable', 'unreachable', 'kicked-out', 'kicked-out']);
    await proxy.restore();
    await back.first();
    assert.equal(queue.kickedOut.size, 0);
    others.queueCalls();
    const results = await queue.execute([drone, ...others.drones]);
    others.assertFine(results);
    assert.equal(call.valueIn(results).stdout, 'kept\n');
  });

  test(`${make.name}: a drone that takes connections and says nothing is waited for no more once it is out`, async () => {
    await using hole = new BlackHole();
    await using queue = make({ kickOut: { afterFailures: 2, probeEveryMs: Infinity } });
    const port = await hole.port();
    const drone = new SshDrone('hole', { ...sshd.droneOptions(), host: '127.0.0.1', port, connectTimeoutMs: 100 });
    const call = drone.queueCall('run', 'true');
    const others = healthy();
    const kinds: string[] = [];
    for (let round = 0; round < 4; round++) kinds.push(await failRound(queue, others, drone));
    assert.deepEqual(kinds, ['timeout', 'timeout', 'kicked-out', 'kicked-out']);
    // The first attempt may not get as far as the network within its time.
    assert(hole.connects <= 2);
    assert.deepEqual(drone.getCalls(), [call]);
  });
}
