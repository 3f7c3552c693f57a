import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import test from 'node:test';
import { DroneTaskQueue, events, SshDrone } from 'drone-task-queue';
import { Told } from '../../../contract/told.js';
import { Witness } from '../../../contract/witness.js';
import { leakCheck } from '../../../support/leak-check.js';
import { type Sshd, startSshd } from '../../../support/sshd.js';

leakCheck();

/** The keys of a server, under whatever name it is reached. */
function pinned(server: Sshd): { hostKeys: { fingerprints: string[] } } {
  const lines = readFileSync(server.knownHosts, 'utf8').trim().split('\n');
  const keys = lines.map(line => Buffer.from(line.split(' ')[2] ?? '', 'base64'));
  return { hostKeys: { fingerprints: keys.map(key => `SHA256:${createHash('sha256').update(key).digest('base64')}`) } };
}

/** Stands in front of a server, and is silent to one connection, as a server that is overloaded. */
class Overloaded implements AsyncDisposable {
  readonly #sockets = new Set<Socket>();
  readonly #listener: Server;
  /** The silent one was ended by who had opened it. */
  readonly gaveUp: Promise<void>;

  private constructor(target: Sshd, silent: number) {
    let connections = 0;
    let tell: () => void = () => undefined;
    this.gaveUp = new Promise(resolve => {
      tell = resolve;
    });
    this.#listener = createServer(client => {
      this.#keep(client);
      if (++connections === silent) {
        client.once('close', tell).resume();
        return;
      }
      const server = this.#keep(connect({ host: target.addresses[0], port: target.port, noDelay: true }));
      client.pipe(server).pipe(client);
      client.once('close', () => server.destroy());
    });
  }

  static async start(target: Sshd, silent: number): Promise<Overloaded> {
    const overloaded = new Overloaded(target, silent);
    await once(overloaded.#listener.listen(0, '127.0.0.1'), 'listening');
    return overloaded;
  }

  get port(): number {
    return (this.#listener.address() as { port: number }).port;
  }

  #keep(socket: Socket): Socket {
    this.#sockets.add(socket);
    // The other end may be gone first.
    return socket.on('error', () => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#listener.close();
    await once(this.#listener, 'close');
  }
}

test('a second connection that does not come about, to end a command, is given up with its place', async () => {
  await using server = await startSshd({ MaxSessions: '1' }, 1);
  await using overloaded = await Overloaded.start(server, 2);
  using warnings = new Witness(events.droneWarning);
  await using queue = new DroneTaskQueue({ killGraceMs: 50, maxConnectingPerAddress: 1, roundDeadlineMs: 60_000 });
  const { knownHosts: _knownHosts, ...options } = server.droneOptions();
  const behind = { ...options, host: '127.0.0.1', port: overloaded.port, agent: 'none', ...pinned(server) } as const;
  const drone = new SshDrone('web1', { ...behind, connectTimeoutMs: 8000 });
  const cancel = new AbortController();
  const told = new Told();
  drone.with({ signal: cancel.signal, onOutput: told.onOutput }).queueCall('run', 'echo $$; exec sleep 1000');
  const round = queue.settle([drone]);
  const [pid = 0] = await told.numbers;
  using _end = { [Symbol.dispose]: () => process.kill(pid, 'SIGKILL') };
  cancel.abort();
  const failure = (await round).failures.get(drone);
  assert.deepEqual([failure?.kind, failure?.killed], ['cancelled', false]);
  const other = new SshDrone('web2', { ...behind, env: { OTHER: 'yes' } });
  assert.equal((await queue.call(other, 'run', 'echo well')).stdout, 'well\n');
  await overloaded.gaveUp;
  const { message } = await warnings.first();
  assert.equal(message, 'run: the command could not be ended: no second connection within 8000 ms');
});
