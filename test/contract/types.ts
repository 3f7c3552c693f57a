/** Compiled, never run: what the types of the public surface let through, and what they refuse. */
import {
  type AnyDrone,
  type Call,
  type CallOptions,
  type CallValue,
  type CloseReport,
  compareLoad,
  type Drone,
  type DroneError,
  type DroneErrorCauseCode,
  type DroneResults,
  type DroneTaskQueueException,
  type DroneTaskQueue,
  type DroneWorker,
  entriesOf,
  getDrone,
  LocalDrone,
  type Phase,
  type RunResult,
  SshDrone,
  type StartedRound,
  type TaskQueue,
  type ThreadedTaskQueue,
} from 'drone-task-queue';
import type { ManagedDrone } from 'drone-task-queue/scheduler';
import { FakeDrone, runResult } from 'drone-task-queue/testing';

interface Own {
  flash(image: string, slot: number): Promise<{ ok: boolean }>;
  version: string;
}

/** Compiles only for a value of exactly this type. */
function exactly<Expected>(): <Given>(
  given: Given,
  ...same: [Given, Expected] extends [Expected, Given] ? [] : [never]
) => void {
  return () => undefined;
}

export async function calls(queue: ThreadedTaskQueue, results: DroneResults): Promise<void> {
  const local = new LocalDrone();
  const web = new SshDrone<Own>('web1', { user: 'ci', identity: ['a', 'b'], utility: undefined });
  const fake = new FakeDrone('fake', { add: (a: number, b: number) => a + b, label: 'x' });

  const flash = web.queueCall('flash', 'image', 2);
  exactly<Call<{ ok: boolean }>>()(flash);
  exactly<{ ok: boolean }>()(flash.valueIn(results));
  exactly<RunResult>()(web.queueCall('run', 'uname').valueIn(results));
  exactly<number>()(fake.queueCall('add', 1, 2).valueIn(results));
  exactly<Call<number>>()(fake.with({ timeoutMs: 5, signal: undefined }).queueCall('add', 1, 2));
  exactly<number>()(await queue.call(fake, 'add', 1, 2));
  exactly<number>()(await queue.call(fake.with({ timeoutMs: 5 }), 'add', 1, 2));
  exactly<RunResult>()(await queue.call(new LocalDrone().with({ idempotent: true }), 'run', 'true', { check: true }));
  exactly<RunResult>()(await queue.call(new LocalDrone(), 'run', 'true'));
  exactly<RunResult>()(await queue.call(local, 'run', 'true', { cwd: undefined, env: { A: 'b' } }));
  exactly<{ pid: number; killed: boolean }[]>()(await queue.call(local, 'killProcesses', []));
  exactly<LocalDrone>()(getDrone('localhost', { env: {} }));
  exactly<SshDrone>()(getDrone('web1', { user: 'ci' }));
  exactly<LocalDrone | SshDrone>()(getDrone(local.hostname, { user: 'ci' }));

  // @ts-expect-error -- this machine is reached without SSH
  getDrone('localhost', { port: 2222, user: 'ci' });
  // @ts-expect-error -- a misspelt option
  getDrone('web1', { usr: 'ci' });

  const values = results.get(local);
  // @ts-expect-error -- the first value may be that of an older call: valueIn finds a call's own
  exactly<unknown>()(values?.[0]);
  exactly<unknown[] | undefined>()(values && [...values]);
  exactly<CallValue[]>()(entriesOf(values));
  // @ts-expect-error -- options of a drone with options are checked, too
  await queue.call(local.with({ timeout: 5 }), 'run', 'true');
  // @ts-expect-error -- and its methods
  await queue.call(fake.with({}), 'run', 'true');
  // @ts-expect-error -- an argument of the wrong type
  web.queueCall('flash', 1, 2);
  // @ts-expect-error -- an argument too few
  web.queueCall('flash', 'image');
  // @ts-expect-error -- an argument too many
  web.queueCall('flash', 'image', 2, 3);
  // @ts-expect-error -- no such method
  web.queueCall('nope');
  // @ts-expect-error -- a property is not a method
  web.queueCall('version');
  // @ts-expect-error -- nor is a property of a fake
  fake.queueCall('label');
  // @ts-expect-error -- a fake has only the methods it was given
  fake.queueCall('run', 'true');
  // @ts-expect-error -- a drone without a module of its own has the built-in methods only
  local.queueCall('flash', 'image', 2);
  // @ts-expect-error -- the same through with()
  local.with({}).queueCall('flash', 'image', 2);
  // @ts-expect-error -- and through call()
  await queue.call(local, 'flash', 'image', 2);
  // @ts-expect-error -- options are checked by name
  local.queueCall('run', 'true', { directory: '/' });
}

export function moduleTypes(results: DroneResults): void {
  const drone = new LocalDrone<typeof import('./own-methods.js')>({ utility: new URL('file:///own-methods.js') });
  exactly<number>()(drone.queueCall('flash', 1, 2).valueIn(results).sum);
  exactly<RunResult>()(drone.queueCall('run', 'true').valueIn(results));
  // @ts-expect-error -- an export that is not a function
  drone.queueCall('version');
}

export function variance(fake: FakeDrone<{ add(): number }>, web: SshDrone<Own>): AnyDrone[] {
  const ordinary: Drone = web;
  // @ts-expect-error -- a fake without `run` is not an ordinary drone
  const wrong: Drone = fake;
  // @ts-expect-error -- and an ordinary drone has no methods of one's own
  const own: Drone<Own> = ordinary;
  return [ordinary, wrong, own, fake].sort(compareLoad);
}

export function fakes(results: DroneResults): AnyDrone[] {
  const uname = new FakeDrone('a', { run: () => runResult({ stdout: 'Linux' }) });
  const drone: Drone = uname;
  exactly<RunResult>()(uname.queueCall('run').valueIn(results));
  exactly<RunResult>()(drone.queueCall('run', 'uname', { cwd: '/' }).valueIn(results));

  const later = new FakeDrone('b', { run: async (command: string) => Promise.resolve(runResult({ stdout: command })) });
  const slow: Drone = later;
  const managed: ManagedDrone = later;
  exactly<Call<RunResult>>()(later.queueCall('run', 'uname'));

  interface Build {
    build(target: string): number;
  }
  const own: Drone<Build> = new FakeDrone('c', { build: async (target: string) => Promise.resolve(target.length) });
  const named = new FakeDrone<Build>('d', { build: async target => Promise.resolve(target.length) });
  exactly<Call<number>>()(named.queueCall('build', 'all'));

  // @ts-expect-error -- a `run` with other arguments is not that of a drone
  const wrong: Drone = new FakeDrone('e', { run: (times: number) => runResult({ durationMs: times }) });
  // @ts-expect-error -- a method that M does not have
  named.queueCall('run', 'true');
  // @ts-expect-error -- a method that returns something else
  const other = new FakeDrone<Build>('f', { build: async () => Promise.resolve('built') });
  // @ts-expect-error -- a field that a result does not have
  runResult({ output: '' });
  return [drone, slow, managed, own, wrong, other];
}

export async function rounds(queue: TaskQueue, drones: AnyDrone[], flag: boolean): Promise<void> {
  const signal: AbortSignal | undefined = flag ? AbortSignal.timeout(5) : undefined;
  exactly<DroneResults>()(await queue.execute(drones));
  exactly<DroneResults>()(await queue.execute(new Set(drones), { signal }));
  exactly<DroneResults>()(await queue.execute(drones, { wait: true }));
  exactly<DroneResults>()(await queue.execute(drones, { wait: undefined }));
  exactly<Promise<void>>()(queue.execute(drones, { wait: false, signal }));
  const either = await queue.execute(drones, { wait: flag });
  // @ts-expect-error -- with a wait that is not known there may be no results
  exactly<DroneResults>()(either);
  exactly<StartedRound>()(queue.start(drones, { signal, leftovers: 'drop' }));
  // @ts-expect-error -- leftovers have names
  queue.start(drones, { leftovers: 'keep' });
  // @ts-expect-error -- settle always waits
  await queue.settle(drones, { wait: false });
  const { results, failures } = await queue.settle(drones, { signal });
  exactly<DroneResults>()(results);
  exactly<Map<AnyDrone, DroneError>>()(failures);
  exactly<Promise<void>>()(queue.waitOnDrones());
  exactly<Promise<CloseReport>>()(queue.close({ graceMs: undefined }));
  exactly<Promise<void>>()(queue[Symbol.asyncDispose]());
}

export function state(threaded: ThreadedTaskQueue, serial: DroneTaskQueue, drone: AnyDrone): DroneWorker | undefined {
  const queues: TaskQueue[] = [threaded, serial];
  // @ts-expect-error -- the thread map is for looking at
  const map: Map<AnyDrone, DroneWorker> = threaded.droneThreads;
  // @ts-expect-error -- there are no threads to show
  const none: unknown = serial.droneThreads;
  const worker = [none, map].includes(queues) ? undefined : threaded.droneThreads.get(drone);
  if (worker) exactly<Phase>()(worker.phase);
  return worker;
}

export function failures(exception: DroneTaskQueueException, error: DroneError): readonly Call[] {
  // @ts-expect-error -- what happened cannot be changed
  const map: Map<AnyDrone, DroneError> = exception.failures;
  exactly<DroneErrorCauseCode | undefined>()(error.causeCode);
  if (error.causeCode === 'ERR_HOST_KEY_CHANGED' || error.causeCode === 'ENOENT') return [];
  switch (error.kind) {
    case 'call':
    case 'lost':
      return error.mayHaveRun;
    // @ts-expect-error -- no such kind
    case 'agent-lost':
      return error.notStarted;
    default:
      return error.call === undefined || map.size === 0 ? [] : [error.call];
  }
}

export const undefinedIsAbsent: CallOptions = {
  timeoutMs: undefined,
  idempotent: undefined,
  signal: undefined,
  onOutput: undefined,
};
