/** What `drone.with(options)` does: a call's own time, signal and output. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { events, LocalDrone } from 'drone-task-queue';
import { FakeDrone, Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { exceptionOf, failureOf } from './rejections.js';
import { Witness } from './witness.js';

leakCheck();

const ECHO = { echo: (value: unknown): unknown => value };

for (const make of queues) {
  test(`${make.name}: a call past its own time fails as timeout and the later ones go back`, async () => {
    await using queue = make();
    const gate = new Gate();
    const drone = new FakeDrone('web1', { ...ECHO, hang: () => gate.wait() });
    drone.queueCall('echo', 'before');
    const late = drone.with({ timeoutMs: 50, idempotent: true }).queueCall('hang');
    const behind = drone.queueCall('echo', 'behind');
    const failure = failureOf(await exceptionOf(queue.execute([drone])), drone);
    assert.equal(failure.kind, 'timeout');
    assert.equal(failure.call, late);
    const { message, code } = failure.cause as Error & { code: unknown };
    assert.deepEqual([message, code], ['no answer within 50 ms', 'ERR_CALL_TIMEOUT']);
    assert.equal(failure.message, 'timeout in hang(): no answer within 50 ms');
    assert.deepEqual([failure.completed, failure.mayHaveRun], [['before'], []]);
    assert.deepEqual(failure.notStarted, [behind]);
    assert.deepEqual((await queue.execute([drone])).get(drone), ['behind']);
    assert.equal(drone.connections, 1);
  });

  test(`${make.name}: the queue's time for a call holds where the call has none of its own`, async () => {
    await using queue = make({ callTimeoutMs: 50 });
    const gate = new Gate();
    const drone = new FakeDrone('web1', { hang: () => gate.wait(), slow: () => gate.wait().then(() => 'in the end') });
    drone.queueCall('hang');
    const failure = failureOf(await queue.settle([drone]), drone);
    assert.equal(failure.kind, 'timeout');
    assert.equal((failure.cause as Error).message, 'no answer within 50 ms');
    const slow = drone.with({ timeoutMs: Infinity }).queueCall('slow');
    const round = queue.execute([drone]);
    const other = new FakeDrone('other', { hang: () => gate.wait() });
    // Ends by its time, which the slow one has had as well by then.
    await assert.rejects(queue.call(other, 'hang'), { kind: 'timeout' });
    gate.open();
    assert.equal(slow.valueIn(await round), 'in the end');
  });

  test(`${make.name}: each call of a batch has its full time`, async () => {
    await using queue = make({ callTimeoutMs: 2000 });
    const drone = new FakeDrone('web1', {
      // Together the five take longer than one of them may.
      slow: () => new Promise(resolve => setTimeout(resolve, 500)),
    });
    for (let call = 0; call < 5; call++) drone.queueCall('slow');
    assert.equal((await queue.execute([drone])).get(drone)?.length, 5);
  });

  test(`${make.name}: a call's own signal ends that call, and with it the rest of its batch`, async () => {
    await using queue = make({ killGraceMs: Infinity });
    const gate = new Gate();
    const stop = new AbortController();
    const drone = new FakeDrone('web1', { ...ECHO, hang: () => gate.wait() });
    const other = new FakeDrone('web2', ECHO);
    other.queueCall('echo', 'unharmed');
    drone.queueCall('echo', 'before');
    const running = drone.with({ signal: stop.signal }).queueCall('hang');
    const behind = drone.queueCall('echo', 'behind');
    const round = queue.execute([drone, other]);
    await gate.arrived();
    stop.abort('enough of this');
    const exception = await exceptionOf(round, 'ERR_DRONES_FAILED');
    assert.deepEqual([...exception.results], [[other, ['unharmed']]]);
    const failure = failureOf(exception, drone);
    assert.deepEqual([failure.kind, failure.cause, failure.call], ['cancelled', 'enough of this', running]);
    assert.deepEqual([failure.completed, failure.mayHaveRun], [['before'], []]);
    assert.deepEqual(drone.getCalls(), [behind]);
  });

  test(`${make.name}: a call whose signal is aborted already does not run, those before it do`, async () => {
    await using queue = make({ killGraceMs: Infinity });
    const drone = new FakeDrone('web1', { ...ECHO, never: () => assert.fail('it ran') });
    for (const warm of [false, true]) {
      drone.clearCallQueue();
      drone.queueCall('echo', warm);
      const dead = drone.with({ signal: AbortSignal.abort('long ago') }).queueCall('never');
      const behind = drone.queueCall('echo', 'behind');
      const failure = failureOf(await queue.settle([drone]), drone);
      assert.deepEqual([failure.kind, failure.cause, failure.call], ['cancelled', 'long ago', dead]);
      assert.deepEqual([failure.completed, failure.notStarted], [[warm], [behind]]);
    }
  });

  test(`${make.name}: a signal aborted before its call's turn ends the batch at that call`, async () => {
    await using queue = make({ killGraceMs: Infinity });
    const gate = new Gate();
    const stop = new AbortController();
    const drone = new FakeDrone('web1', { ...ECHO, wait: () => gate.wait(), never: () => assert.fail('it ran') });
    drone.queueCall('wait');
    const dead = drone.with({ signal: stop.signal }).queueCall('never');
    const round = queue.settle([drone]);
    await gate.arrived();
    stop.abort('changed my mind');
    // Its answer comes the way that the cancel has gone, and so after it.
    await queue.call(drone, 'echo', 1);
    gate.open();
    const failure = failureOf(await round, drone);
    assert.deepEqual([failure.kind, failure.cause, failure.call], ['cancelled', 'changed my mind', dead]);
    assert.deepEqual(failure.completed, [undefined]);
  });

  test(`${make.name}: output comes as it is written, to the call that asked for it`, async () => {
    await using queue = make();
    const drone = new LocalDrone();
    const heard: [string, string][] = [];
    const listening = drone.with({
      onOutput: (stream, chunk) => {
        heard.push([stream, Buffer.from(chunk).toString()]);
      },
    });
    const quiet = drone.queueCall('run', 'echo quiet');
    const command = 'echo one; echo two >&2; echo three';
    const loud = listening.queueCall('run', command, { maxOutputBytes: 100 });
    const results = await queue.execute([drone]);
    const of = (stream: string): string =>
      heard
        .filter(([name]) => name === stream)
        .map(([, text]) => text)
        .join('');
    assert.deepEqual([of('stdout'), of('stderr')], ['one\nthree\n', 'two\n']);
    assert.deepEqual([loud.valueIn(results).stdout, loud.valueIn(results).stderr], ['one\nthree\n', 'two\n']);
    assert.equal(quiet.valueIn(results).stdout, 'quiet\n');
  });

  test(`${make.name}: an onOutput that throws fails its drone as callback, and ends the command`, async () => {
    using closed = new Witness(events.linkClose);
    await using queue = make();
    const drone = new LocalDrone();
    const other = new FakeDrone('other', ECHO);
    other.queueCall('echo', 'unharmed');
    const thrown = new Error('of the callback');
    let heard = 0;
    const call = drone
      .with({
        onOutput: () => {
          heard++;
          throw thrown;
        },
      })
      .queueCall('run', 'echo $$; exec sleep 600');
    const behind = drone.queueCall('run', 'true');
    const exception = await exceptionOf(queue.execute([drone, other]));
    assert.deepEqual([...exception.results], [[other, ['unharmed']]]);
    const failure = failureOf(exception, drone);
    assert.deepEqual([failure.kind, failure.cause, failure.call], ['callback', thrown, call]);
    assert.deepEqual([failure.killed, failure.mayHaveRun, failure.notStarted], [true, [], [behind]]);
    assert.equal(heard, 1);
    assert.equal(behind.valueIn(await queue.execute([drone])).exitCode, 0);
    assert.equal(closed.seen.length, 0);
  });

  test(`${make.name}: an onOutput whose promise rejects fails its drone as callback`, async () => {
    await using queue = make();
    const drone = new LocalDrone();
    const thrown = new Error('of the callback');
    const onOutput = (): Promise<void> => Promise.reject(thrown);
    const call = drone.with({ onOutput }).queueCall('run', 'echo $$; exec sleep 600');
    const failure = failureOf(await queue.settle([drone]), drone);
    assert.deepEqual([failure.kind, failure.cause, failure.call], ['callback', thrown, call]);
  });

  test(`${make.name}: calls that share a signal bring no warning of a leak, however many they are`, async () => {
    await using queue = make();
    const warnings: Error[] = [];
    const note = (warning: Error): number => warnings.push(warning);
    process.on('warning', note);
    try {
      const drone = new FakeDrone('web1', ECHO);
      const calls = drone.with({ signal: new AbortController().signal });
      for (let n = 0; n < 20; n++) calls.queueCall('echo', n);
      assert.equal((await queue.execute([drone])).get(drone)?.length, 20);
    } finally {
      process.off('warning', note);
    }
    assert.deepEqual(warnings, []);
  });

  test(`${make.name}: a call's aborted signal is not taken for the cause of what failed for another reason`, async () => {
    await using queue = make();
    const away = new FakeDrone('away', ECHO);
    away.misbehave('refuse');
    away.with({ signal: AbortSignal.abort() }).queueCall('echo', 1);
    const thrown = new Error('of its own');
    const stop = new AbortController();
    const drone = new FakeDrone('web1', {
      fail: () => {
        stop.abort();
        throw thrown;
      },
    });
    drone.with({ signal: stop.signal }).queueCall('fail');
    const outcome = await queue.settle([away, drone]);
    const [unreachable, failed] = [failureOf(outcome, away), failureOf(outcome, drone)];
    assert.equal(unreachable.kind, 'unreachable');
    assert.match(unreachable.message, /the fake drone refuses/);
    assert.equal(unreachable.causeCode, 'ECONNREFUSED');
    assert.deepEqual([failed.kind, (failed.cause as Error).message], ['call', thrown.message]);
  });

  test(`${make.name}: an onOutput that throws at the last output of the last call is a failure all the same`, async () => {
    await using queue = make();
    const drone = new LocalDrone();
    const call = drone.with({ onOutput: () => assert.fail('of the callback') }).queueCall('run', 'echo last');
    const failure = failureOf(await queue.settle([drone]), drone);
    assert.deepEqual([failure.kind, failure.call], ['callback', call]);
    assert.deepEqual(drone.getCalls(), []);
  });
}
