/**
 * A round in a process that can write no file, with this machine as the drone at fault; for disk-full.test.ts. Its argument
 * holds the options of the drones beside it. Fails where it is not fine.
 */
import { LocalDrone, SshDrone, type SshDroneOptions, ThreadedTaskQueue } from 'drone-task-queue';
import { queueNoRoom } from '../no-room.js';
import { Others } from '../others.js';

const options = JSON.parse(process.argv[2] ?? '[]') as SshDroneOptions[];
await using queue = new ThreadedTaskQueue({ threads: 1 });
const others = new Others(options.map((each, at) => new SshDrone(`other${String(at)}`, each)));
const drone = new LocalDrone();
const assertNoRoom = queueNoRoom(drone);
others.queueCalls();
const results = await queue.execute([drone, ...others.drones]);
others.assertFine(results);
assertNoRoom(results);
