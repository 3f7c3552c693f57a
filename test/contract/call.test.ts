/** `queue.call`: one call now, beside the drone's queue and beside a round. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import test from 'node:test';
import { DroneError, LocalDrone, SshDrone } from 'drone-task-queue';
import { FakeDrone, Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { rejectionOf } from './rejections.js';

leakCheck();

const METHODS = {
  echo: <T>(value: T): T => value,
  fail: (message: string): never => {
    throw new Error(message);
  },
};

for (const make of queues) {
  test(`${make.name}: a call leaves the drone's queue, the results and the thread map alone`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', METHODS);
    const queued = drone.queueCall('echo', 'queued');
    drone.queueKillProcess({ hostname: 'web1', pid: 99 });
    assert.equal(await queue.call(drone, 'echo', 'now'), 'now');
    assert.deepEqual(drone.getCalls(), [queued]);
    assert.deepEqual(drone.kills, []);
    assert.deepEqual(await queue.getResults(), new Map());
    assert.deepEqual((await queue.execute([drone])).get(drone), ['queued']);
  });

  test(`${make.name}: a call is answered while the round on the same drone is held`, async () => {
    await using queue = make();
    const gate = new Gate();
    const drone = new FakeDrone('web1', { ...METHODS, wait: () => gate.wait() });
    drone.queueCall('wait');
    const handedOver = queue.execute([drone], { wait: false });
    await gate.arrived();
    const answers = await Promise.all([1, 2, 3].map(value => queue.call(drone, 'echo', value)));
    assert.deepEqual(answers, [1, 2, 3]);
    assert.equal(drone.connections, 1);
    gate.open();
    await handedOver;
    assert.deepEqual((await queue.getResults()).get(drone), [undefined]);
  });

  test(`${make.name}: a call that fails rejects with the DroneError, and nothing goes into the drone's queue`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', METHODS);
    const thrown = await rejectionOf(queue.call(drone, 'fail', 'as told'));
    assert.ok(thrown instanceof DroneError);
    assert.equal(thrown.kind, 'call');
    assert.equal((thrown.cause as Error).message, 'as told');

    drone.misbehave('refuse');
    const refused = await rejectionOf(queue.call(drone, 'echo', 1));
    assert.ok(refused instanceof DroneError);
    assert.equal(refused.kind, 'unreachable');
    assert.deepEqual(
      refused.notStarted.map(({ method }) => method),
      ['echo'],
    );
    assert.deepEqual(drone.getCalls(), []);
    drone.behave();
    assert.equal(await queue.call(drone, 'echo', 2), 2);
  });

  test(`${make.name}: a call takes the options of drone.with`, async () => {
    await using queue = make();
    const gate = new Gate();
    const drone = new FakeDrone<typeof METHODS & { wait(): Promise<unknown>; say(): Promise<string> }>('web1', {
      ...METHODS,
      wait: () => gate.wait(),
      say: async () => {
        await drone.print('stdout', 'hello');
        return 'said';
      },
    });
    let text = '';
    const onOutput = (_stream: string, chunk: Uint8Array): void => {
      text += Buffer.from(chunk).toString();
    };
    assert.equal(await queue.call(drone.with({ onOutput }), 'say'), 'said');
    assert.equal(text, 'hello');

    const late = await rejectionOf(queue.call(drone.with({ timeoutMs: 5 }), 'wait'));
    assert.ok(late instanceof DroneError);
    assert.deepEqual([late.kind, (late.cause as { code?: unknown }).code], ['timeout', 'ERR_CALL_TIMEOUT']);
    const stop = new AbortController();
    const stopped = rejectionOf(queue.call(drone.with({ signal: stop.signal }), 'wait'));
    await gate.arrived();
    stop.abort(new Error('enough'));
    const cancelled = await stopped;
    assert.ok(cancelled instanceof DroneError);
    assert.deepEqual([cancelled.kind, (cancelled.cause as Error).message], ['cancelled', 'enough']);
    const aborted = drone.with({ signal: AbortSignal.abort(new Error('before')) });
    const unwanted = await rejectionOf(queue.call(aborted, 'wait'));
    assert.ok(unwanted instanceof DroneError);
    assert.deepEqual([unwanted.kind, (unwanted.cause as Error).message], ['cancelled', 'before']);
    // @ts-expect-error -- neither a drone nor one with options
    await assert.rejects(queue.call({}, 'echo', 1), { code: 'ERR_INVALID_ARG', message: /^drone is/ });
  });

  test(`${make.name}: the signal of a call beside the rounds ends a login that goes nowhere`, async () => {
    // It reads: the end of a connection with unread bytes is never seen.
    const silent = createServer(socket => socket.resume()).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    await using queue = make({ connectTimeoutMs: Infinity });
    const stop = new AbortController();
    const drone = new SshDrone('127.0.0.1', { port, knownHosts: [] }).with({ signal: stop.signal });
    const login = rejectionOf(queue.call(drone, 'run', 'true'));
    await once(silent, 'connection');
    stop.abort(new Error('enough'));
    const error = await login;
    assert.ok(error instanceof DroneError);
    assert.deepEqual([error.kind, (error.cause as Error).message], ['cancelled', 'enough']);
    silent.close();
    await once(silent, 'close');
  });

  test(`${make.name}: calls on one drone that do not wait for each other run at once`, async () => {
    await using queue = make();
    const gate = new Gate();
    let running = 0;
    const drone = new FakeDrone('web1', {
      meet: async (name: string) => {
        if (++running === 3) gate.open();
        await gate.wait();
        return name;
      },
    });
    const names = ['a', 'b', 'c'];
    assert.deepEqual(await Promise.all(names.map(name => queue.call(drone, 'meet', name))), names);
    assert.equal(drone.connections, 1);
  });

  test(`${make.name}: a checked run that does not exit with 0 fails with its result, and ends its batch`, async () => {
    await using queue = make();
    const drone = new LocalDrone();
    const { stdout } = await queue.call(drone, 'run', 'echo fine', { check: true });
    assert.equal(stdout, 'fine\n');
    const command = 'echo out; echo first >&2; echo the reason >&2; echo >&2; exit 3';
    drone.queueCall('run', command, { check: true });
    const behind = drone.queueCall('run', 'true');
    const failure = (await queue.settle([drone])).failures.get(drone);
    assert.ok(failure);
    assert.equal(failure.kind, 'call');
    const { code, message } = failure.cause as Error & { code: unknown };
    assert.equal(code, 'ERR_EXIT_STATUS');
    assert.equal(message, `the command "${command}" exited with status 3: the reason`);
    assert.equal(failure.result?.exitCode, 3);
    assert.equal(failure.result.stdout, 'out\n');
    assert.deepEqual(drone.getCalls(), [behind]);
    const killed = await rejectionOf(queue.call(drone, 'run', 'kill -9 $$', { check: true }));
    assert.ok(killed instanceof DroneError);
    assert.equal(killed.result?.signal, 'SIGKILL');
    await assert.rejects(queue.call(drone, 'run', 'true', { check: 1 as unknown as boolean }), /options.check/);
  });

  test(`${make.name}: an argument that cannot travel rejects a call, and never throws from it`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', METHODS);
    await assert.rejects(queue.call(drone, 'echo', () => 1), { code: 'ERR_NOT_CLONEABLE' }); // prettier-ignore
    assert.equal(drone.connections, 0);
  });

  test(`${make.name}: two drone objects for one endpoint share its connection and not their calls`, async () => {
    await using queue = make();
    const [one, two] = [new LocalDrone(), new LocalDrone()];
    const first = one.queueCall('run', 'echo one $PPID');
    const second = two.queueCall('run', 'echo two $PPID');
    const results = await queue.execute([one, two]);
    assert.deepEqual([...results.keys()], [one, two]);
    const words = [first.valueIn(results), second.valueIn(results)].map(({ stdout }) => stdout.trim().split(' '));
    assert.deepEqual(
      words.map(([name]) => name),
      ['one', 'two'],
    );
    assert.equal(words[0]?.[1], words[1]?.[1]);
    assert.equal((await queue.call(new LocalDrone(), 'run', 'echo $PPID')).stdout.trim(), words[0]?.[1]);
  });
}
