import assert from 'node:assert/strict';
import {
  type AnyDrone,
  type Drone,
  events,
  LocalDrone,
  SshDrone,
  ThreadedTaskQueue,
  type UtilityMethods,
} from 'drone-task-queue';
import { FakeDrone, type FakeFault, Gate } from 'drone-task-queue/testing';
import { exceptionOf, failureOf } from '../contract/rejections.js';
import { Witness } from '../contract/witness.js';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { fault } from './fault.js';
import { Others } from './others.js';
import { newMark, noneLeft } from './processes.js';

leakCheck();

type Runner = Pick<UtilityMethods, 'run'>;

/** How the thread dies; what dies in it is the far end of a FakeDrone, which does it when told to. */
interface Death {
  readonly row: number;
  readonly fault: string;
  readonly vice: FakeFault;
  readonly cause: RegExp;
  readonly within: string;
  readonly withinMs: number;
}

const DEATHS: readonly Death[] = [
  {
    row: 23,
    fault: 'a worker thread is out of memory',
    vice: 'thread-out-of-memory',
    cause: /memory/i,
    within: 'at once',
    withinMs: 5000,
  },
  {
    row: 24,
    fault: 'a worker thread calls process.exit(0)',
    vice: 'thread-exit',
    cause: /exit/i,
    within: 'at once',
    withinMs: 2000,
  },
  {
    row: 24,
    fault: 'a worker thread throws an uncaught error',
    vice: 'thread-throw',
    cause: /thrown in the worker thread/,
    within: 'at once',
    withinMs: 2000,
  },
  {
    row: 25,
    fault: 'a worker thread loops forever',
    vice: 'thread-loop',
    cause: /has not answered for 6000 ms/,
    within: 'thread watchdog',
    withinMs: 7500,
  },
];

/** The first of the drones whose thread will do; by now it is warm there. */
async function droneOn<D extends Drone<Runner>>(
  queue: ThreadedTaskQueue,
  make: (at: number) => D,
  isWanted: (threadId: number) => boolean,
): Promise<D> {
  for (let at = 0; ; at++) {
    const drone: D & Drone<Runner> = make(at);
    (drone as Drone<Runner>).queueCall('run', 'true');
    await queue.execute([drone], { wait: false });
    const threadId = queue.droneThreads.get(drone)?.threadId ?? -1;
    await queue.getResults();
    if (isWanted(threadId)) return drone;
  }
}

for (const { vice, cause, ...row } of DEATHS) {
  fault(
    {
      ...row,
      injected: 'in a thread that carries drones over SSH and localhost, while their commands run',
      sees: '`worker-lost` for the drones of that thread, with the cause; unanswered calls in `mayHaveRun`, only idempotent calls are back. The next round has a new thread, and no command is left',
    },
    async ({ inTime }) => {
      await using sshd = await startSshd();
      using lost = new Witness(events.threadLost);
      await using queue = new ThreadedTaskQueue({
        threads: 2,
        threadHeapMb: 64,
        threadTimeoutMs: 6000,
        killGraceMs: 300,
      });
      let address = 0;
      const ssh = (): SshDrone => {
        const host = sshd.addresses[address++];
        assert(host !== undefined, 'twenty addresses are all served by one thread');
        return new SshDrone(host, sshd.droneOptions(host));
      };
      let doomedThread = -1;
      const isDoomed = (threadId: number): boolean => threadId === doomedThread;
      const isSafe = (threadId: number): boolean => threadId !== doomedThread;
      const local = await droneOn(queue, () => new LocalDrone(), threadId => (doomedThread = threadId) > 0); // prettier-ignore
      const doomed = [local, await droneOn(queue, ssh, isDoomed)];
      const others = new Others([
        await droneOn(queue, ssh, isSafe),
        await droneOn(queue, at => new LocalDrone({ env: { OTHER: String(at) } }), isSafe),
      ]);
      const run = (): ReturnType<Runner['run']> => ({}) as ReturnType<Runner['run']>;
      const killer = await droneOn(queue, at => new FakeDrone<Runner>(`killer${String(at)}`, { run }), isDoomed);

      const mark = newMark();
      const running = new Gate();
      const onOutput = (): void => void running.wait();
      const calls = doomed.map(drone => [
        drone.with({ onOutput }).queueCall('run', `echo on; sleep ${mark}`),
        drone.queueCall('run', 'true'),
      ]);
      others.queueCalls();
      const drones: AnyDrone[] = [...doomed, ...others.drones];
      await queue.execute(drones, { wait: false });
      await running.arrived(doomed.length);
      killer.misbehave(vice);
      const ended = exceptionOf(queue.getResults());
      const trigger = assert.rejects(queue.call(killer, 'run', 'true'));
      const exception = await inTime(ended);
      await trigger;
      running.open();

      assert.deepEqual([...exception.failures.keys()], doomed);
      for (const [at, drone] of doomed.entries()) {
        const failure = failureOf(exception, drone);
        assert.equal(failure.kind, 'worker-lost', failure.message);
        assert.match(String(failure.cause), cause);
        assert.equal(failure.phase, 'call');
        assert.deepEqual(failure.mayHaveRun, calls[at]);
        assert.deepEqual(failure.notStarted, []);
        assert.deepEqual(drone.getCalls(), []);
      }
      others.assertFine(exception);
      assert.deepEqual(
        lost.seen.map(({ threadId }) => threadId),
        [doomedThread],
      );
      await noneLeft(mark);

      const again = doomed.map(drone => drone.queueCall('run', 'echo again'));
      others.queueCalls();
      const results = await queue.execute(drones);
      for (const call of again) assert.equal(call.valueIn(results).stdout, 'again\n');
      others.assertFine(results);
    },
  );
}
