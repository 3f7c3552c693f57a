// Metrics to a StatsD server, here a UDP socket that prints them; log lines and events besides.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { events, LocalDrone, subscribe, ThreadedTaskQueue } from 'drone-task-queue';
import { FakeDrone } from 'drone-task-queue/testing';

const received = new Set<string>();
const sink = createSocket('udp4', datagram => {
  for (const metric of datagram.toString().split('\n')) received.add(metric);
}).bind(0, '127.0.0.1');
await once(sink, 'listening');

subscribe(events.roundEnd, ({ results, failures }) => {
  console.log(`event: round of ${String(results + failures)} drones, ${String(failures)} failed`);
});
const drop = (): void => undefined;

const queue = new ThreadedTaskQueue({
  name: 'refresh',
  stats: { host: '127.0.0.1', port: sink.address().port, prefix: 'farm' },
  log: { debug: drop, info: drop, warn: drop, error: message => console.log(`log: ${message}`) },
});

const localhost = new LocalDrone();
const web1 = new FakeDrone('web1.example.org', { uptime: () => 'a day' });
web1.misbehave('refuse');
localhost.queueCall('run', 'true');
web1.queueCall('uptime');
await queue.settle([localhost, web1]);
await queue.close();

// Closing the queue sends what is held back. All but the last of these come with it, in whatever order.
while (![...received].some(metric => metric.includes('.round:'))) await once(sink, 'message');
for (const metric of [...received].sort()) console.log(`metric: ${metric}`);
sink.close();
