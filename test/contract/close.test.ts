/** What `close` does: takes no more, waits, cancels the rest, lets everything go, and keeps the results. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type DroneError, events, LocalDrone, SshDrone } from 'drone-task-queue';
import { FakeDrone, Gate, startSshServer } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { exceptionOf, failureOf, refusalOf, rejectionOf } from './rejections.js';
import { Witness } from './witness.js';

leakCheck();

const ECHO = { echo: (value: unknown): unknown => value };

for (const make of queues) {
  test(`${make.name}: a queue that never ran a round closes`, async () => {
    const queue = make();
    assert.deepEqual(await queue.close(), { abandoned: [] });
    await refusalOf(queue.execute([]), 'ERR_QUEUE_CLOSED');
  });

  test(`${make.name}: closing twice gives the same promise, with await using as well`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', ECHO);
    drone.queueCall('echo', 1);
    await queue.execute([drone]);
    const closing = queue.close({ graceMs: 0 });
    assert.equal(queue.close(), closing);
    assert.equal(queue.close({ graceMs: 5 }), closing);
    await closing;
    assert.equal(drone.connections, 0);
  });

  test(`${make.name}: close waits for the round in flight, whose results stay fetchable`, async () => {
    await using queue = make();
    const gate = new Gate();
    const drone = new FakeDrone('web1', { wait: () => gate.wait().then(() => 'finished') });
    drone.queueCall('wait');
    const handedOver = queue.execute([drone], { wait: false });
    await gate.arrived();
    let closed = false;
    const closing = queue.close({ graceMs: Infinity }).then(() => {
      closed = true;
    });
    await refusalOf(queue.call(drone, 'wait'), 'ERR_QUEUE_CLOSED');
    assert.equal(closed, false);
    gate.open();
    await closing;
    await handedOver;
    await queue.waitOnDrones();
    assert.deepEqual([...(await queue.getResults())], [[drone, ['finished']]]);
    await refusalOf(queue.execute([drone]), 'ERR_QUEUE_CLOSED');
  });

  test(`${make.name}: close cancels what is not done after graceMs, in the round and beside it`, async () => {
    using finished = new Witness(events.workerFinish);
    const queue = make({ name: 'impatient' });
    const gate = new Gate();
    const done = new FakeDrone('done', ECHO);
    const held = new FakeDrone('held', { hang: () => gate.wait(), echo: ECHO.echo });
    done.queueCall('echo', 'kept');
    const running = held.queueCall('hang');
    const behind = held.queueCall('echo', 'behind');
    const round = exceptionOf(queue.execute([done, held]), 'ERR_ROUND_CANCELLED');
    const beside = assert.rejects(queue.call(held, 'hang'), {
      kind: 'cancelled',
      message: 'cancelled in hang(): the queue impatient was closed',
    });
    await Promise.all([gate.arrived(2), finished.first()]);
    await queue.close({ graceMs: 10 });
    const exception = await round;
    assert.match(String(exception.cause), /the queue impatient was closed/);
    assert.deepEqual([...exception.results], [[done, ['kept']]]);
    const failure = failureOf(exception, held);
    assert.deepEqual([failure.kind, failure.call, failure.notStarted], ['cancelled', running, [behind]]);
    await beside;
    assert.equal(held.connections, 0);
  });

  test(`${make.name}: a round that is closed in the turn of its start is over with the queue`, async () => {
    for (const graceMs of [0, Infinity]) {
      const queue = make();
      const drones = ['web1', 'web2'].map(name => new FakeDrone(name, ECHO));
      const calls = drones.map(drone => drone.queueCall('echo', graceMs));
      const round = queue.settle(drones);
      const closing = queue.close({ graceMs });
      await refusalOf(queue.execute([new FakeDrone('late', ECHO)]), 'ERR_ROUND_IN_FLIGHT');
      assert.deepEqual(await closing, { abandoned: [] });
      const { results, failures } = await round;
      for (const [at, drone] of drones.entries()) {
        const isDone = results.get(drone)?.length === 1;
        assert.equal(isDone, failures.get(drone) === undefined);
        if (graceMs === Infinity) assert.ok(isDone);
        else if (!isDone) assert.equal(failureOf({ failures }, drone).kind, 'cancelled', String(calls[at]));
        assert.equal(drone.connections, 0);
      }
    }
  });

  test(`${make.name}: an agent that does not react to the cancel of close is in the report`, async () => {
    using opened = new Witness(events.linkOpen);
    const queue = make({ killGraceMs: 10 });
    const drone = new FakeDrone('frozen', ECHO);
    drone.misbehave('freeze');
    const call = rejectionOf(queue.call(drone, 'echo', 1));
    await opened.first();
    const report = await queue.close({ graceMs: 10 });
    assert.deepEqual(
      report.abandoned.map(({ what, hostname }) => ({ what, hostname })),
      [{ what: 'agent', hostname: 'frozen' }],
    );
    assert.match(report.abandoned[0]?.message ?? '', /no longer answers/);
    assert.equal(((await call) as DroneError).kind, 'cancelled');
  });

  for (const where of ['here', 'behind SSH']) {
    test(`${make.name}: close ends the processes of a call that it cuts short ${where}, and keeps what others returned`, async () => {
      await using server = await startSshServer();
      using finished = new Witness(events.workerFinish);
      const queue = make();
      const done = new FakeDrone('done', ECHO);
      const drone = where === 'here' ? new LocalDrone() : new SshDrone('web1', server.droneOptions());
      done.queueCall('echo', 'kept');
      const started = new Promise<number>(resolve => {
        const onOutput = (_stream: string, chunk: Uint8Array): void => {
          resolve(Number(Buffer.from(chunk).toString()));
        };
        drone.with({ onOutput }).queueCall('run', 'echo $$; exec sleep 600');
      });
      const round = exceptionOf(queue.execute([done, drone]), 'ERR_ROUND_CANCELLED');
      const pid = await started;
      await finished.first(({ hostname }) => hostname === 'done');
      assert.deepEqual(await queue.close({ graceMs: 0 }), { abandoned: [] });
      assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
      const exception = await round;
      assert.deepEqual([...exception.results], [[done, ['kept']]]);
      const { kind, killed } = failureOf(exception, drone);
      assert.deepEqual({ kind, killed }, { kind: 'cancelled', killed: true });
    });
  }

  test(`${make.name}: close lets agents go, and every link is reported as closed without an error`, async () => {
    using opened = new Witness(events.linkOpen);
    using closed = new Witness(events.linkClose);
    const queue = make();
    const drones = [new FakeDrone('web1', ECHO), new LocalDrone()] as const;
    drones[0].queueCall('echo', 1);
    const shell = drones[1].queueCall('run', 'echo $PPID');
    const results = await queue.execute(drones);
    assert.equal(opened.seen.length, 2);
    const local = opened.seen.find(({ hostname }) => hostname === 'localhost');
    assert.equal(Number(shell.valueIn(results).stdout), local?.agentPid);
    assert.equal(closed.seen.length, 0);
    await queue.close();
    assert.throws(() => process.kill(local?.agentPid ?? 0, 0), { code: 'ESRCH' });
    assert.deepEqual(closed.seen.map(({ hostname }) => hostname).sort(), ['localhost', 'web1']);
    assert.deepEqual(
      closed.seen.map(({ error }) => error),
      [undefined, undefined],
    );
  });

  test(`${make.name}: a graceMs out of range is rejected and closes nothing`, async () => {
    await using queue = make();
    for (const graceMs of [-1, NaN, '5' as unknown as number]) {
      await assert.rejects(queue.close({ graceMs }), { code: 'ERR_INVALID_ARG', message: /^graceMs is / });
    }
    const drone = new FakeDrone('web1', ECHO);
    drone.queueCall('echo', 1);
    assert.equal((await queue.execute([drone])).size, 1);
  });

  test(`${make.name}: close during a connect that never comes about does not wait for it`, async () => {
    const queue = make({ connectTimeoutMs: Infinity });
    const drone = new FakeDrone('web1', ECHO);
    drone.misbehave('hang');
    drone.queueCall('echo', 1);
    const round = exceptionOf(queue.execute([drone]), 'ERR_ROUND_CANCELLED');
    await queue.close({ graceMs: 0 });
    assert.equal(failureOf(await round, drone).kind, 'cancelled');
  });
}
