/** What a drone takes into its queue, and what it and a queue refuse to take. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { DroneTaskQueue, LocalDrone, SshDrone, type TaskQueueOptions, ThreadedTaskQueue } from 'drone-task-queue';
import { FakeDrone } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';

leakCheck();

const METHODS = { echo: (...values: unknown[]): unknown[] => values };

/** Options that are refused, by the field that the error names. */
const BAD_QUEUE_OPTIONS: readonly (readonly [
  field: string,
  options: Record<keyof TaskQueueOptions, unknown> | object,
])[] = [
  ['name', { name: '' }],
  ['name', { name: 5 }],
  ...(['connectTimeoutMs', 'callTimeoutMs', 'roundDeadlineMs', 'killGraceMs', 'linkSilenceMs'] as const).flatMap(
    field => [0, -1, NaN, '100'].map(value => [field, { [field]: value }] as const),
  ),
];

const BAD_THREAD_OPTIONS: readonly (readonly [field: string, options: object])[] = [
  ...[0, -1, 1.5, NaN, Infinity, '2'].map(value => ['threads', { threads: value }] as const),
  ...[0, -1, 15, NaN, Infinity, '64'].map(value => ['threadHeapMb', { threadHeapMb: value }] as const),
  ...[0, -1, NaN, '100'].map(value => ['threadTimeoutMs', { threadTimeoutMs: value }] as const),
];

const BAD_CALL_OPTIONS: readonly (readonly [field: string, options: object])[] = [
  ...[0, -1, NaN, '100', null].map(value => ['timeoutMs', { timeoutMs: value }] as const),
  ['onOutput', { onOutput: 'log' }],
  ['signal', { signal: new AbortController() }],
  ['idempotent', { idempotent: 'yes' }],
];

function assertNames(field: string, make: () => unknown): void {
  assert.throws(make, (error: unknown) => {
    assert.ok(error instanceof TypeError);
    assert.equal((error as { code?: unknown }).code, 'ERR_INVALID_ARG');
    assert.match(error.message, new RegExp(`^${field} is .*, expected `));
    return true;
  });
}

for (const make of queues) {
  test(`${make.name}: options out of range throw an error that names the field`, () => {
    for (const [field, options] of BAD_QUEUE_OPTIONS) assertNames(field, () => make(options as TaskQueueOptions));
  });

  test(`${make.name}: a frozen drone works as any other`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', METHODS);
    Object.freeze(drone);
    drone.queueCall('echo', 1);
    assert.deepEqual((await queue.execute([drone])).get(drone), [[1]]);
    drone.queueCall('echo', 2);
    drone.clearCallQueue();
    assert.equal((await queue.execute([drone])).size, 0);
  });

  test(`${make.name}: undefined stands for each option's default, and Infinity switches a limit off`, async () => {
    const fields = [
      'name',
      'connectTimeoutMs',
      'callTimeoutMs',
      'roundDeadlineMs',
      'killGraceMs',
      'linkSilenceMs',
      'stats',
      'log',
    ];
    const [name, ...limits] = fields.slice(0, 6);
    assert.ok(name);
    const all = [
      Object.fromEntries(fields.map(field => [field, undefined])),
      Object.fromEntries(limits.map(field => [field, Infinity])),
      Object.fromEntries(limits.map(field => [field, Number.MAX_SAFE_INTEGER])),
    ];
    for (const options of all) {
      await using queue = make(options);
      const drone = new LocalDrone();
      const call = drone.queueCall('run', 'echo fine');
      assert.equal(call.valueIn(await queue.execute([drone])).stdout, 'fine\n');
      await assert.rejects(queue.call(drone, 'run', 5 as unknown as string), { kind: 'call' });
    }
  });

  test(`${make.name}: arguments travel as they were when the call was queued`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', METHODS);
    const list = [1, { deep: [2] }] as [number, { deep: number[] }];
    const call = drone.queueCall('echo', list, list[1]);
    list[0] = 100;
    list[1].deep.push(200);
    assert.deepEqual(call.valueIn(await queue.execute([drone])), [[1, { deep: [2] }], { deep: [2] }]);
    assert.deepEqual(drone.batches, [[{ method: 'echo', args: [[1, { deep: [2] }], { deep: [2] }] }]]);
  });

  test(`${make.name}: calls without arguments, and with undefined among them, arrive as such`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', METHODS);
    drone.queueCall('echo');
    drone.queueCall('echo', undefined);
    drone.queueCall('echo', 1, undefined);
    assert.deepEqual((await queue.execute([drone])).get(drone), [[], [undefined], [1, undefined]]);
  });
}

test('threads, threadHeapMb and threadTimeoutMs out of range throw an error that names the field', () => {
  for (const [field, options] of BAD_THREAD_OPTIONS) {
    assertNames(field, () => new ThreadedTaskQueue(options));
  }
});

test('call options out of range throw an error that names the field, when they are given', () => {
  const drone = new FakeDrone('web1', METHODS);
  for (const [field, options] of BAD_CALL_OPTIONS) assertNames(field, () => drone.with(options));
  assert.deepEqual(drone.getCalls(), []);
});

test('options of drones out of range throw an error that names the field', () => {
  assertNames('hostname', () => new FakeDrone('', METHODS));
  assertNames('hostname', () => new FakeDrone(undefined as unknown as string, METHODS));
  assertNames('utility', () => new LocalDrone({ utility: './methods.js' as unknown as URL }));
  assertNames('utility', () => new LocalDrone({ utility: new URL('https://example.com/methods.js') }));
  assertNames('port', () => new SshDrone('web1', { port: 70_000 }));
  const drone = new FakeDrone('web1', METHODS);
  for (const pid of [0, 1, -5, 1.5, NaN])
    assertNames('process.pid', () => drone.queueKillProcess({ hostname: 'web1', pid }));
  assertNames('process.hostname', () => drone.queueKillProcess({ hostname: 'web2', pid: 5 }));
  assertNames('method', () => drone.queueCall('' as 'echo'));
  assertNames('method', () => drone.queueCall(undefined as unknown as 'echo'));
});

test('an argument that cannot travel throws when it is queued, and nothing is queued', () => {
  const drone = new FakeDrone('web1', METHODS);
  for (const value of [() => 1, Symbol('s'), Promise.resolve(1), new WeakMap(), { deep: [() => 1] }]) {
    assert.throws(() => drone.queueCall('echo', value), { name: 'NotCloneableError', code: 'ERR_NOT_CLONEABLE' });
  }
  assert.deepEqual(drone.getCalls(), []);
});

test('arguments that take more than a frame throw when they are queued, and cost no other drone', async () => {
  await using queue = new DroneTaskQueue();
  const drone = new FakeDrone('web1', { size: (bytes: Uint8Array): number => bytes.byteLength });
  assert.throws(() => drone.queueCall('size', new Uint8Array(64 * 1024 * 1024)), {
    name: 'RangeError',
    code: 'ERR_TOO_LARGE',
    message: /^the arguments of size take \d+ bytes/,
  });
  drone.queueCall('size', new Uint8Array(63 * 1024 * 1024));
  assert.deepEqual((await queue.execute([drone])).get(drone), [63 * 1024 * 1024]);
});

test('getCalls gives a copy, and a call shows itself as people write it', () => {
  const drone = new FakeDrone('web1', METHODS);
  const call = drone.queueCall('echo', 1, 'x', { a: [1, 2] });
  (drone.getCalls() as unknown[]).length = 0;
  assert.deepEqual(drone.getCalls(), [call]);
  assert.equal(String(call), "echo(1, 'x', { a: [ 1, 2 ] })");
  const options = { mode: 0o600, tolerateFailure: true };
  const printed = "getFile('a', 'b', { mode: 0o600, tolerateFailure: true })";
  assert.equal(String(new LocalDrone().queueCall('getFile', 'a', 'b', options)), printed);
  assert.equal(String(drone.queueCall('echo', 'a', { mode: 384 })), "echo('a', { mode: 384 })");
  assert.deepEqual([call.method, call.args], ['echo', [1, 'x', { a: [1, 2] }]]);
  assert.ok(String(drone.queueCall('echo', 'y'.repeat(10_000))).length < 200);
  drone.clearCallQueue();
  assert.deepEqual(drone.getCalls(), []);
});
