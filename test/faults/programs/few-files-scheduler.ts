/** A scheduler in a process that may open few files; see few-open-files.test.ts. Prints what it was told, as JSON. */
import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import {
  type AnyDrone,
  type Call,
  DroneTaskQueueException,
  LocalDrone,
  type RunResult,
  SshDrone,
  type SshDroneOptions,
  ThreadedTaskQueue,
} from 'drone-task-queue';
import { Others } from '../others.js';

/** Above the limit, whatever it is that the process was given. */
const TOO_MANY = 300;

/** How it went wrong for a drone. */
export interface Told {
  readonly kind: string | undefined;
  readonly message: string | undefined;
  /** Whether its call is `notStarted`, and in its queue. */
  readonly isBack: boolean;
}

interface Failing {
  readonly drone: AnyDrone;
  readonly call: Call<RunResult>;
}

const { drone, other } = JSON.parse(process.env['ORDERS'] ?? '') as Record<'drone' | 'other', SshDroneOptions>;
// Of one thread, which the first of the others has made load what SSH takes.
const queue = new ThreadedTaskQueue({ threads: 1 });
const healthy = new SshDrone('other', other);
const others = new Others([healthy]);
await queue.call(healthy, 'run', 'true');

/** More than may be open: known beforehand. */
async function refused(): Promise<{ code: string; message: string; queued: number }> {
  const drones = Array.from({ length: TOO_MANY }, (_, at) => new SshDrone('drone', { env: { AT: String(at) } }));
  for (const each of drones) each.queueCall('run', 'true');
  others.queueCalls();
  try {
    await queue.execute([...drones, ...others.drones]);
  } catch (error) {
    if (!(error instanceof DroneTaskQueueException)) throw error;
    others.assertFine(await queue.execute(others.drones));
    const { code, message } = error;
    return { code, message, queued: drones.flatMap(each => each.getCalls()).length };
  }
  throw new Error('not refused');
}

/** Opens all files that there may be; gives what closes them. */
function exhaust(): () => void {
  const opened: number[] = [];
  for (;;) {
    try {
      opened.push(openSync('/dev/null', 'r'));
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EMFILE');
      return () => {
        for (const fd of opened) closeSync(fd);
      };
    }
  }
}

/** Not to be known: the program itself has opened them all. */
async function exhausted(): Promise<Told[]> {
  const failing: Failing[] = [new SshDrone('web1', drone), new LocalDrone()].map(each => ({
    drone: each,
    call: each.queueCall('run', 'echo late'),
  }));
  const drones = failing.map(each => each.drone);
  others.queueCalls();
  const release = exhaust();
  const { results, failures } = await queue.settle([...drones, ...others.drones]);
  release();
  others.assertFine(results);
  const told = failing.map(({ drone: each, call }) => {
    const failure = failures.get(each);
    const isBack = failure?.notStarted[0] === call && each.getCalls()[0] === call;
    return { kind: failure?.kind, message: failure?.message, isBack };
  });
  const again = await queue.execute(drones);
  for (const { call } of failing) assert.equal(call.valueIn(again).stdout, 'late\n');
  return told;
}

const told = process.argv.includes('exhausted') ? await exhausted() : await refused();
await queue.close();
process.stdout.write(JSON.stringify(told));
