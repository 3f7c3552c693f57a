/**
 * A scheduler of its own process, for faults that befall one; see scheduler.ts. It runs one round and prints what happens,
 * a line of JSON each. The first SIGINT or SIGTERM cancels the round, the second ends the process at once.
 */
import { subscribe } from 'node:diagnostics_channel';
import { constants } from 'node:os';
import {
  DroneTaskQueueException,
  events,
  type LinkOpen,
  LocalDrone,
  SshDrone,
  ThreadedTaskQueue,
  type WorkerFinish,
} from 'drone-task-queue';
import { Others } from '../others.js';
import type { Orders, Line } from '../scheduler.js';

const orders = JSON.parse(process.env['ORDERS'] ?? '') as Orders;

function say(line: Line): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

subscribe(events.linkOpen, message => {
  say({ agentPid: (message as LinkOpen).agentPid ?? 0 });
});
subscribe(events.workerFinish, message => {
  say({ finished: (message as WorkerFinish).hostname });
});

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(128 + constants.signals[signal]);
    stop.abort(new Error(signal));
    say({ stopping: signal });
  });
}

const queue = new ThreadedTaskQueue({ threads: 2, ...orders.queue });
const drones = [new SshDrone('web1', orders.drone), new LocalDrone()];
const others = new Others([new SshDrone('other', orders.other), new LocalDrone({ env: { OTHER: '1' } })]);
for (const drone of drones) {
  drone.queueCall('run', 'echo first');
  const onOutput = (_stream: string, chunk: Uint8Array): void => {
    say({ printed: Buffer.from(chunk).toString(), by: drone.hostname });
  };
  if (orders.detached !== undefined) {
    const { command, folder } = orders.detached;
    drone.queueCall('executeCommand', command, { workingDirectory: folder, pidfileName: `${drone.hostname}.pid` });
  }
  for (const { command, timeoutMs } of orders.commands) {
    drone.with({ onOutput, timeoutMs }).queueCall('run', command, { maxOutputBytes: 1000 });
  }
}
others.queueCalls();

let round;
try {
  round = await queue.execute([...drones, ...others.drones], { signal: stop.signal });
} catch (error) {
  if (!(error instanceof DroneTaskQueueException)) throw error;
  round = error;
}
others.assertFine(round);
const failures = round instanceof DroneTaskQueueException ? round.failures : new Map<never, never>();
const results = round instanceof DroneTaskQueueException ? round.results : round;
say({
  code: round instanceof DroneTaskQueueException ? round.code : 'none',
  drones: drones.map(drone => {
    const { kind, completed, killed, cause } = failures.get(drone) ?? {};
    const values = (completed ?? results.get(drone) ?? []) as { stdout?: string }[];
    const { code } = (cause ?? {}) as { code?: string };
    return { kind, code, killed, printed: values.map(({ stdout }) => stdout) };
  }),
});
await queue.close();
say({ closed: true });
