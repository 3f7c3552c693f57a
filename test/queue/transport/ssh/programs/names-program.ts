/**
 * A round of drones by name beside a hundred whose name server is silent. Runs where the system's configuration names that
 * server: see names.test.ts.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { SshDrone, ThreadedTaskQueue } from 'drone-task-queue';

type DroneOptions = NonNullable<ConstructorParameters<typeof SshDrone>[1]>;

export interface Orders {
  readonly drone: DroneOptions;
  readonly nameServer: string | undefined;
  readonly good: readonly string[];
  readonly silent: readonly string[];
  /** Of the silent ones. */
  readonly connectTimeoutMs: number;
}

export interface Told {
  /** Of the good ones. */
  readonly stdout: readonly (string | undefined)[];
  readonly failures: readonly { readonly kind: string; readonly phase: string; readonly message: string }[];
  readonly abandoned: readonly unknown[];
}

const { drone, nameServer, good, silent, connectTimeoutMs } = JSON.parse(process.env['ORDERS'] ?? '') as Orders;

const server = createSocket('udp4').on('message', () => undefined);
if (nameServer !== undefined) await once(server.bind(53, nameServer), 'listening');

const queue = new ThreadedTaskQueue({ threads: 1 });
const dronesOf = (names: readonly string[], limitMs: number): SshDrone[] =>
  names.map(host => new SshDrone(host, { ...drone, host, connectTimeoutMs: limitMs }));
const lost = dronesOf(silent, connectTimeoutMs);
const found = dronesOf(good, 120_000);
for (const each of lost) each.queueCall('run', 'true');
const calls = found.map(each => each.queueCall('run', 'echo $SSH_CONNECTION'));
const { results, failures } = await queue.settle([...lost, ...found]);
const { abandoned } = await queue.close();
server.close();
const told: Told = {
  stdout: calls.map(call => call.valueIn(results)?.stdout),
  failures: [...failures.values()].map(({ kind, phase, message }) => ({ kind, phase, message })),
  abandoned,
};
process.stdout.write(JSON.stringify(told));
