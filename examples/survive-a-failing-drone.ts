// One host goes away in mid-batch, a call throws on another; the third does not notice. The failure tells what happened
// to each call, and the next round goes on where that leaves off.
import { DroneTaskQueueException, SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { startSshServer } from 'drone-task-queue/testing';

const [steady, leaving, clumsy] = await Promise.all([startSshServer(), startSshServer(), startSshServer()]);
const web1 = new SshDrone('web1', steady.droneOptions());
const web2 = new SshDrone('web2', leaving.droneOptions());
const web3 = new SshDrone('web3', clumsy.droneOptions());
const drones = [web1, web2, web3];
const queue = new ThreadedTaskQueue();

const survivor = web1.queueCall('run', 'echo still here');

web2.queueCall('run', 'echo done');
// Cuts the connection as soon as the command is known to run.
web2.with({ onOutput: () => leaving.dropConnections() }).queueCall('run', 'echo running; sleep 60');
const check = web2.with({ idempotent: true }).queueCall('run', 'echo checked');

web3.queueCall('copyFileOrDirectory', '/no-such-folder/file', '/tmp/copy');
web3.queueCall('run', 'echo after the copy');

try {
  await queue.execute(drones);
} catch (error) {
  if (!(error instanceof DroneTaskQueueException)) throw error;
  console.log(error.message);
  console.log(`web1 said: ${survivor.valueIn(error).stdout.trim()}`);
  for (const [drone, failure] of error.failures) {
    console.log(`${drone.hostname}: kind ${failure.kind}, ${String(failure.completed.length)} completed`);
    console.log(`  may have run: ${failure.mayHaveRun.join(', ') || 'none'}`);
    console.log(`  not started: ${failure.notStarted.join(', ') || 'none'}`);
    // What certainly did not run, or may run twice, is in the drone's queue again.
    console.log(`  queued again: ${drone.getCalls().join(', ') || 'none'}`);
  }
}

const results = await queue.execute(drones);
console.log(`next round: web2 said ${check.valueIn(results).stdout.trim()}, ${String(results.size)} drones had work`);

await queue.close();
await Promise.all([steady, leaving, clumsy].map(server => server.close()));
