/**
 * A scheduler that ends without closing its queue while a drone is kicked out, for kick-out-idle.test.ts. Arguments: the
 * queue, and what of the drone is pending: `timer` for its next probe, `probe` for one under way, to a server that takes
 * the connection and says nothing, for which it waits forever.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { parseArgs } from 'node:util';
import { DroneTaskQueue, SshDrone, ThreadedTaskQueue } from 'drone-task-queue';

const { values } = parseArgs({ options: { queue: { type: 'string' }, pending: { type: 'string' } } });
const probed = values.pending === 'probe';

let connects = 0;
const server = createServer(socket => {
  // Not kept here, so that nothing but the queue could keep the process.
  socket.unref();
  if (++connects === 1) socket.end('SSH-1.0-too-old\r\n');
  else {
    server.unref();
    process.stdout.write('probed\n');
  }
}).listen(0, '127.0.0.1');
await once(server, 'listening');

const options = {
  connectTimeoutMs: Infinity,
  kickOut: { afterFailures: 1, probeEveryMs: probed ? 20 : 3_600_000 },
};
const queue =
  values.queue === 'serial' ? new DroneTaskQueue(options) : new ThreadedTaskQueue({ threads: 1, ...options });
const { port } = server.address() as AddressInfo;
const drone = new SshDrone('web1', {
  host: '127.0.0.1',
  port,
  hostKeys: { fingerprints: ['SHA256:' + 'A'.repeat(43)] },
});
drone.queueCall('run', 'true');
await queue.settle([drone]);
process.stdout.write(`${queue.kickedOut.get(drone)?.cause.kind ?? 'in'}\n`);
if (!probed) server.unref();
process.once('beforeExit', () => process.stdout.write('idle\n'));
