/** Rule 10: a round that is aborted, and the deadline of a round. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import test from 'node:test';
import { events, SshDrone } from 'drone-task-queue';
import { FakeDrone, Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { exceptionOf, failureOf } from './rejections.js';
import { Witness } from './witness.js';

leakCheck();

const ECHO = { echo: (value: unknown): unknown => value };

/** A drone whose `hang` never returns but can be cancelled; `gate` tells when it runs. */
function hanging(hostname: string, gate: Gate): FakeDrone<{ echo(value: unknown): unknown; hang(): unknown }> {
  return new FakeDrone(hostname, { ...ECHO, hang: () => gate.wait() });
}

for (const make of queues) {
  test(`${make.name}: a round aborted before it starts runs nothing and gives all calls back`, async () => {
    await using queue = make();
    const reason = new Error('too late');
    const drones = ['a', 'b'].map(name => new FakeDrone(name, ECHO));
    const calls = drones.map(drone => drone.queueCall('echo', 1));
    const exception = await exceptionOf(
      queue.execute(drones, { signal: AbortSignal.abort(reason) }),
      'ERR_ROUND_CANCELLED',
    );
    assert.equal(exception.cause, reason);
    assert.match(exception.message, /^The round was cancelled\nDrone a raised Exception /);
    assert.equal(exception.results.size, 0);
    for (const [n, drone] of drones.entries()) {
      const failure = failureOf(exception, drone);
      assert.deepEqual([failure.kind, failure.cause, failure.phase], ['cancelled', reason, 'waiting']);
      assert.deepEqual([failure.notStarted, failure.mayHaveRun], [[calls[n]], []]);
      assert.deepEqual(drone.getCalls(), [calls[n]]);
      assert.deepEqual([drone.batches, drone.connections], [[], 0]);
    }
    assert.equal((await queue.execute(drones)).size, 2);
  });

  test(`${make.name}: a round aborted in mid-call keeps what is done and ends the rest`, async () => {
    using finished = new Witness(events.workerFinish);
    await using queue = make({ killGraceMs: Infinity });
    const stop = new AbortController();
    const gate = new Gate();
    const done = new FakeDrone('done', ECHO);
    const held = hanging('held', gate);
    done.queueCall('echo', 'kept');
    held.queueCall('echo', 'first');
    const running = held.queueCall('hang');
    const behind = held.queueCall('echo', 'behind');
    const round = queue.execute([done, held], { signal: stop.signal });
    await Promise.all([gate.arrived(), finished.first()]);
    stop.abort('enough');

    const exception = await exceptionOf(round, 'ERR_ROUND_CANCELLED');
    assert.equal(exception.cause, 'enough');
    assert.deepEqual([...exception.results], [[done, ['kept']]]);
    const failure = failureOf(exception, held);
    assert.deepEqual([failure.kind, failure.cause, failure.phase], ['cancelled', 'enough', 'call']);
    assert.deepEqual(failure.completed, ['first']);
    assert.equal(failure.call, running);
    assert.deepEqual([failure.mayHaveRun, failure.notStarted], [[], [behind]]);
    assert.deepEqual(held.getCalls(), [behind]);
    assert.deepEqual((await queue.execute([held])).get(held), ['behind']);
    assert.equal(held.connections, 1, 'the connection stays warm');
  });

  test(`${make.name}: an abort right after execute reaches batches that are still on their way`, async () => {
    await using queue = make({ killGraceMs: Infinity });
    const drones = Array.from({ length: 10 }, (_, n) => new FakeDrone(`web${String(n)}`, ECHO));
    for (const warm of [false, true]) {
      for (const drone of drones) {
        drone.misbehave('hang');
        drone.queueCall('echo', warm);
      }
      const stop = new AbortController();
      const round = queue.execute(drones, { signal: stop.signal });
      stop.abort();
      const exception = await exceptionOf(round, 'ERR_ROUND_CANCELLED');
      assert.equal((exception.cause as DOMException).name, 'AbortError');
      assert.equal(exception.failures.size, drones.length);
      for (const drone of drones) {
        assert.equal(failureOf(exception, drone).kind, 'cancelled');
        drone.clearCallQueue();
        drone.behave();
        drone.queueCall('echo', 'fine');
      }
      assert.equal((await queue.execute(drones)).size, drones.length);
    }
  });

  test(`${make.name}: an abort after the last drone is done changes nothing`, async () => {
    using finished = new Witness(events.workerFinish);
    await using queue = make();
    const stop = new AbortController();
    const drone = new FakeDrone('web1', ECHO);
    drone.queueCall('echo', 1);
    await queue.execute([drone], { wait: false, signal: stop.signal });
    await finished.first();
    stop.abort();
    await queue.waitOnDrones();
    assert.deepEqual((await queue.getResults()).get(drone), [1]);

    drone.queueCall('echo', 2);
    const { signal } = stop;
    await exceptionOf(queue.execute([drone], { signal }), 'ERR_ROUND_CANCELLED');
  });

  test(`${make.name}: with wait: false waitOnDrones and getResults report a cancelled round`, async () => {
    for (const wait of ['waitOnDrones', 'getResults'] as const) {
      using finished = new Witness(events.workerFinish);
      await using queue = make();
      const stop = new AbortController();
      const gate = new Gate();
      const done = new FakeDrone('done', ECHO);
      const held = hanging('held', gate);
      done.queueCall('echo', 'kept');
      held.queueCall('hang');
      const handedOver = queue.execute([done, held], { wait: false, signal: stop.signal });
      await Promise.all([gate.arrived(), finished.first()]);
      stop.abort(new Error('enough'));
      await handedOver;
      const exception = await exceptionOf(queue[wait](), 'ERR_ROUND_CANCELLED');
      assert.equal((exception.cause as Error).message, 'enough');
      assert.deepEqual([...exception.failures.keys()], [held]);
      assert.deepEqual([...exception.results], [[done, ['kept']]]);
      const left = await queue.getResults();
      assert.equal(left.size, wait === 'waitOnDrones' ? 1 : 0);
    }
  });

  test(`${make.name}: a round without work that is aborted is reported as cancelled`, async () => {
    await using queue = make();
    const signal = AbortSignal.abort('never mind');
    const exception = await exceptionOf(queue.execute([], { signal }), 'ERR_ROUND_CANCELLED');
    assert.deepEqual([exception.failures.size, exception.results.size, exception.cause], [0, 0, 'never mind']);
    assert.deepEqual(await queue.execute([]), new Map());
  });

  test(`${make.name}: a cancelled settle resolves, the aborted drones among its failures`, async () => {
    await using queue = make();
    const stop = new AbortController();
    const gate = new Gate();
    const held = hanging('held', gate);
    held.queueCall('hang');
    const round = queue.settle([held], { signal: stop.signal });
    await gate.arrived();
    stop.abort();
    assert.equal(failureOf(await round, held).kind, 'cancelled');
  });

  test(`${make.name}: a drone that answers no cancel is cut off, and connected anew the next time`, async () => {
    using closed = new Witness(events.linkClose);
    await using queue = make({ killGraceMs: 10 });
    const stop = new AbortController();
    const gate = new Gate();
    const drone = new FakeDrone('web1', {
      ...ECHO,
      freeze: () => {
        drone.misbehave('freeze');
        return gate.wait();
      },
    });
    const call = drone.queueCall('freeze');
    const round = queue.settle([drone], { signal: stop.signal });
    await gate.arrived();
    stop.abort('enough');
    const failure = failureOf(await round, drone);
    assert.deepEqual([failure.kind, failure.cause, failure.call], ['cancelled', 'enough', call]);
    assert.deepEqual(failure.mayHaveRun, [call]);
    await closed.first();
    drone.behave();
    drone.queueCall('echo', 'back');
    assert.deepEqual((await queue.execute([drone])).get(drone), ['back']);
  });

  test(`${make.name}: a round past its deadline ends as timeout, with what was done`, async () => {
    await using queue = make({ roundDeadlineMs: 150 });
    const gate = new Gate();
    const done = new FakeDrone('done', ECHO);
    const held = hanging('held', gate);
    done.queueCall('echo', 'kept');
    const running = held.queueCall('hang');
    const behind = held.queueCall('echo', 'behind');
    const exception = await exceptionOf(queue.execute([done, held]));
    const failure = failureOf(exception, held);
    assert.equal(failure.kind, 'timeout');
    assert.equal((failure.cause as { code?: unknown }).code, 'ERR_ROUND_DEADLINE');
    if (gate.waiting > 0) {
      assert.deepEqual([failure.call, failure.notStarted], [running, [behind]]);
      assert.deepEqual(held.getCalls(), [behind]);
    } else {
      // On a busy machine the time was up before the drone was reached.
      assert.deepEqual(held.getCalls(), [running, behind]);
    }
  });

  test(`${make.name}: an abort while a drone is being connected leaves the next round a connection of its own`, async () => {
    await using queue = make({ connectTimeoutMs: 2000 });
    const sockets: Socket[] = [];
    const server = createServer(socket => {
      sockets.push(socket);
      if (sockets.length > 1) socket.destroy();
      server.emit('accepted');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const { port } = server.address() as AddressInfo;
      const hostKeys = { fingerprints: [`SHA256:${'A'.repeat(43)}`] };
      const drone = new SshDrone('silent', { host: '127.0.0.1', port, password: 'x', agentSocket: false, hostKeys });
      const call = drone.queueCall('run', 'true');
      const stop = new AbortController();
      const accepted = once(server, 'accepted');
      const aborted = queue.settle([drone], { signal: stop.signal });
      await accepted;
      stop.abort();
      const first = failureOf(await aborted, drone);
      assert.equal(first.kind, 'cancelled');
      assert.deepEqual(first.notStarted, [call]);

      const second = failureOf(await queue.settle([drone]), drone);
      assert.equal(second.kind, 'unreachable', String(second.cause));
      assert.deepEqual(second.notStarted, [call]);
      assert.equal(second.attempts, sockets.length - 1);
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  });
}
