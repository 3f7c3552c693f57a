// A batch of calls on this machine. The agent that runs them is the same one that runs them on other hosts.
import { LocalDrone, ThreadedTaskQueue } from 'drone-task-queue';

const queue = new ThreadedTaskQueue();
const drone = new LocalDrone();

const kernel = drone.queueCall('run', 'uname -s');
const folder = drone.queueCall('run', 'ls no-such-file', { cwd: '/' });
const sorted = drone.queueCall('run', 'sort', { stdin: 'pear\napple\n' });

const results = await queue.execute([drone]);

// A call finds its own value, with its type, whatever else was queued before it.
console.log(`kernel: ${kernel.valueIn(results).stdout.trim()}`);
// A command that fails has still run: its exit code is a result. Only what cannot be run throws.
console.log(`ls: exit code ${folder.valueIn(results).exitCode === 0 ? 'zero' : 'not zero'}`);
console.log(`sorted: ${sorted.valueIn(results).stdout.split('\n').join(' ').trim()}`);

await queue.close();
