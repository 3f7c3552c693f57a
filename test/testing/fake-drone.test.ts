import assert from 'node:assert/strict';
import test from 'node:test';
import { ThreadedTaskQueue } from 'drone-task-queue';
import { FakeDrone, type FakeFault, runResult } from 'drone-task-queue/testing';

const refusal = (message: RegExp) => ({ name: 'TypeError', code: 'ERR_INVALID_ARG', message });

test('a fault that a fake drone does not know is refused, and what is meant is named', () => {
  const drone = new FakeDrone('web1', {});
  assert.throws(
    () => drone.misbehave('slow' as FakeFault),
    refusal(/^fault is 'slow', expected one of refuse, .*thread-throw; for a slow drone let its method await a Gate$/),
  );
  assert.throws(() => drone.misbehave('refuse-logn' as FakeFault), refusal(/\(did you mean 'refuse-login'\?\)/));
  for (const fault of [undefined, 'toString', 7]) {
    assert.throws(() => drone.misbehave(fault as FakeFault), refusal(/^fault is /));
  }
});

test('methods that are no object, and another stream than those of a command, are refused', () => {
  assert.throws(() => new FakeDrone('web1', undefined as never), refusal(/^methods is undefined/));
  assert.throws(() => void new FakeDrone('web1', {}).print('stdin' as 'stdout', ''), refusal(/^stream is 'stdin'/));
});

test('runResult makes a whole result of the fields that a test names', () => {
  assert.deepEqual(runResult(), {
    exitCode: 0,
    signal: null,
    stdout: '',
    stderr: '',
    durationMs: 0,
    truncated: false,
    totalBytes: { stdout: 0, stderr: 0 },
  });
  const failed = runResult({ exitCode: 2, stderr: 'größe', stdout: undefined });
  assert.deepEqual([failed.exitCode, failed.stdout, failed.totalBytes], [2, '', { stdout: 0, stderr: 7 }]);
  const killed = runResult({ signal: 'SIGKILL' });
  assert.deepEqual([killed.exitCode, killed.signal], [null, 'SIGKILL']);
  assert.throws(
    () => runResult({ stdot: '' } as never),
    refusal(/^unknown option 'stdot' \(did you mean 'stdout'\?\)/),
  );
});

test('calls on a fake drone make no AbortSignal that they do not need', async () => {
  const { AbortController } = globalThis;
  let made = 0;
  globalThis.AbortController = class extends AbortController {
    constructor() {
      super();
      made++;
    }
  };
  try {
    await using queue = new ThreadedTaskQueue({ threads: 1 });
    const drones = Array.from({ length: 5 }, (_, at) => new FakeDrone(`web${String(at)}`, { noop: () => undefined }));
    for (const drone of drones) drone.queueCall('noop');
    await queue.execute(drones);
    // The queue's own.
    const before = made;
    for (const drone of drones) for (let call = 0; call < 4; call++) drone.queueCall('noop');
    await queue.execute(drones);
    assert.equal(made, before);
  } finally {
    globalThis.AbortController = AbortController;
  }
});
