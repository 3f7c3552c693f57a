// A scheduler that is stopped in mid-round: the first SIGINT or SIGTERM ends what runs on the drones, and what has come
// back by then is printed; a second one ends the program at once, and the agents see to the rest.
import { constants } from 'node:os';
import { DroneTaskQueueException, LocalDrone, SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { startSshServer } from 'drone-task-queue/testing';

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(128 + constants.signals[signal]);
    console.log(`${signal}: ending what runs; once more to leave at once`);
    stop.abort(new Error(signal));
  });
}

const server = await startSshServer();
// Your own host: new SshDrone('web1.example.org', { user: 'deploy', identity: '~/.ssh/id_ed25519' })
const drones = [new SshDrone('web1', server.droneOptions()), new LocalDrone()];
// From TERM to KILL for commands that do not end by themselves.
const queue = new ThreadedTaskQueue({ killGraceMs: 1000 });

// Here, a user presses Ctrl-C once the tests run on both drones.
let testing = 0;
const onOutput = (): void => {
  testing += 1;
  if (testing === drones.length) process.kill(process.pid, 'SIGINT');
};
const builds = drones.map(drone => {
  const build = drone.queueCall('run', 'echo compiled');
  drone.with({ onOutput }).queueCall('run', 'echo testing; sleep 600');
  return { drone, build };
});

try {
  await queue.execute(drones, { signal: stop.signal });
} catch (error) {
  if (!(error instanceof DroneTaskQueueException) || error.code !== 'ERR_ROUND_CANCELLED') throw error;
  console.log(error.message);
  // Drones that had finished are in `error.results`; of the others, too, each call finds what it had returned.
  for (const { drone, build } of builds) {
    const ended = String(error.failures.get(drone)?.killed);
    console.log(`${drone.hostname}: ${build.valueIn(error).stdout.trim()}; the tests' processes are gone: ${ended}`);
  }
}

await queue.close();
await server.close();
