/**
 * A scheduler in mid-round, for controller.test.ts to kill. Its drones run commands that heed TERM, commands that do not,
 * methods that loop, and commands that are to live on. Arguments: the options of an SshDrone, and a directory. Once all of it
 * runs it prints the pids as JSON.
 */
import { parseArgs } from 'node:util';
import {
  type AnyDrone,
  type Drone,
  events,
  LocalDrone,
  SshDrone,
  ThreadedTaskQueue,
  type UtilityMethods,
} from 'drone-task-queue';
import { Told } from '../told.js';
import { Witness } from '../witness.js';

const { values } = parseArgs({
  options: { ssh: { type: 'string', default: '{}' }, folder: { type: 'string', default: '' } },
});

const utility = new URL('data:text/javascript,export function loop() { console.log("looping"); for (;;); }');
const COMMANDS = ['', 'trap "" TERM;'].map(trap => `${trap} sleep 1000 & echo $PPID $$ $!; sleep 1000; sleep 1000`);

interface Own {
  loop(): void;
}

const queue = new ThreadedTaskQueue({ threads: 2, killGraceMs: 200 });
const drones: AnyDrone[] = [];
const commands: Told[] = [];
const detached: number[] = [];

/** Gives drones of one endpoint their work: a batch each, so that all of it runs side by side. */
async function keepBusy(name: string, makeDrone: () => Drone<UtilityMethods & Own>): Promise<void> {
  for (const command of COMMANDS) {
    const drone = makeDrone();
    const told = new Told();
    drone.with({ onOutput: told.onOutput }).queueCall('run', command);
    commands.push(told);
    drones.push(drone);
  }
  const looping = makeDrone();
  looping.queueCall('loop');
  drones.push(looping);
  const options = { workingDirectory: values.folder, pidfileName: name };
  const { pid } = await queue.call(makeDrone(), 'executeCommand', ['sleep', '1000'], options);
  detached.push(pid);
}

using printed = new Witness(events.droneWarning);
await keepBusy('local', () => new LocalDrone<Own>({ utility }));
await keepBusy('web1', () => new SshDrone<Own>('web1', { ...(JSON.parse(values.ssh) as object), utility }));
void queue.settle(drones);
const pids = (await Promise.all(commands.map(told => told.numbers))).flat();
for (const name of ['localhost', 'web1']) {
  await printed.first(({ hostname, message }) => hostname === name && message.endsWith('looping'));
}
process.stdout.write(`${JSON.stringify({ pids, detached })}\n`);
