import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { type AnyDrone, LocalDrone, SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { moveTo } from '../../dist/queue/drone/drone.js';
import { Endpoint } from '../../dist/queue/drone/endpoint.js';
import { exceptionOf, failureOf } from '../contract/rejections.js';
import { leakCheck } from '../support/leak-check.js';
import { fault } from './fault.js';
import { Others } from './others.js';

leakCheck();

const GRACE_MS = 500;
/** Long enough that a thread which is well is not taken for stuck on a busy machine. */
const THREAD_TIMEOUT_MS = 5000;
/** How long a thread may take to end, as the README says. */
const END_MS = 5000;

/** A named pipe: opening it to read waits until it is opened to write. */
class Fifo implements AsyncDisposable {
  readonly path: string;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, 'fifo');
    execFileSync('mkfifo', [this.path]);
  }

  static async make(): Promise<Fifo> {
    return new Fifo(await mkdtemp(join(tmpdir(), 'drone-fifo-')));
  }

  /** Resolves when a reader waits at it, and releases the reader. */
  async letGo(): Promise<void> {
    for (;;) {
      try {
        closeSync(openSync(this.path, constants.O_WRONLY | constants.O_NONBLOCK));
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error;
        await delay(10);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }
}

/** A drone of this machine that is served by the thread of its route. */
class RoutedDrone extends SshDrone {
  constructor(route: string, transport: string, more: object = {}) {
    super(route);
    moveTo(this, new Endpoint({ transport, key: `${transport} by ${route}`, hostname: route, route, ...more }));
  }
}

/** A route that leads to another thread than the one that serves `drone`. */
async function routeBeside(queue: ThreadedTaskQueue, drone: LocalDrone): Promise<{ route: string; threadId: number }> {
  const probes = Array.from({ length: 8 }, (_, at) => new RoutedDrone(`route-${String(at)}`, 'local'));
  const drones = [drone, ...probes];
  for (const each of drones) each.queueCall('run', 'true');
  await queue.execute(drones, { wait: false });
  const threadOf = (each: AnyDrone): number => queue.droneThreads.get(each)?.threadId ?? -1;
  const found = probes.find(probe => threadOf(probe) !== threadOf(drone));
  assert.ok(found, 'eight routes lead to more than one thread');
  const beside = { route: found.hostname, threadId: threadOf(found) };
  await queue.getResults();
  return beside;
}

async function assertOthersCanGoOn(others: Others): Promise<void> {
  await using another = new ThreadedTaskQueue({ threads: 2 });
  others.queueCalls();
  others.assertFine(await another.execute(others.drones));
}

fault(
  {
    row: 26,
    fault: 'a worker thread hangs in a system call and cannot be ended',
    injected: "its transport opens a named pipe without a writer, in a call that blocks the thread's loop",
    sees: '`cancelled` in phase `waiting`, all calls `notStarted`; `close` resolves, the thread is in `abandoned`',
    within: 'close grace + `threadTimeoutMs` + 5 s',
    withinMs: GRACE_MS + 1.25 * THREAD_TIMEOUT_MS + END_MS,
  },
  async watch => {
    await using fifo = await Fifo.make();
    await using queue = new ThreadedTaskQueue({ threads: 2, threadTimeoutMs: THREAD_TIMEOUT_MS, killGraceMs: 500 });
    const well = new LocalDrone();
    const { route, threadId } = await routeBeside(queue, well);
    const transport = new URL('./programs/stuck-transport.js', import.meta.url).href;
    const stuck = new RoutedDrone(route, transport, { fifo: fifo.path });
    const others = new Others([well]);
    others.queueCalls();
    const call = stuck.queueCall('run', 'true');
    await queue.execute([stuck, ...others.drones], { wait: false });
    while (queue.inFlight().some(({ drone }) => drone !== stuck)) await delay(10);

    const { abandoned } = await watch.inTime(queue.close({ graceMs: GRACE_MS }));
    assert.deepEqual(
      abandoned.map(({ what, threadId: id, hostname }) => ({ what, id, hostname })),
      [{ what: 'thread', id: threadId, hostname: undefined }],
    );
    assert.match(abandoned[0]?.message ?? '', /has not ended within 5000 ms/);
    const exception = await exceptionOf(queue.getResults(), 'ERR_ROUND_CANCELLED');
    others.assertFine(exception);
    const failure = failureOf(exception, stuck);
    assert.deepEqual([failure.kind, failure.notStarted], ['cancelled', [call]]);
    assert.deepEqual(stuck.getCalls(), [call]);
    await assertOthersCanGoOn(others);
    await fifo.letGo();
  },
);

fault(
  {
    row: 26,
    fault: 'a worker thread reads a file that never arrives, and cannot be ended',
    injected: 'the utility module of a drone is a named pipe without a writer',
    sees: '`cancelled` in phase `waiting`, all calls `notStarted`; `close` resolves, the thread is in `abandoned`',
    within: 'close grace + 5 s',
    withinMs: GRACE_MS + END_MS,
  },
  async watch => {
    await using fifo = await Fifo.make();
    await using queue = new ThreadedTaskQueue({ threads: 1 });
    const stuck = new LocalDrone({ utility: pathToFileURL(fifo.path) });
    const others = new Others([new LocalDrone()]);
    others.queueCalls();
    const call = stuck.queueCall('run', 'true');
    await queue.execute([stuck, ...others.drones], { wait: false });
    while (queue.inFlight().some(({ drone }) => drone !== stuck)) await delay(10);

    const { abandoned } = await watch.inTime(queue.close({ graceMs: GRACE_MS }));
    assert.deepEqual(
      abandoned.map(({ what }) => what),
      ['thread'],
    );
    const exception = await exceptionOf(queue.getResults(), 'ERR_ROUND_CANCELLED');
    others.assertFine(exception);
    const failure = failureOf(exception, stuck);
    assert.deepEqual([failure.kind, failure.notStarted], ['cancelled', [call]]);
    await assertOthersCanGoOn(others);
    await fifo.letGo();
  },
);
