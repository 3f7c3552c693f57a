/** Nothing of ours waits for anything but the database while a section writes: it is refused before anything has started. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { events, SshDrone } from 'drone-task-queue';
import { DroneManager, TickLoop } from 'drone-task-queue/scheduler';
import { ContextSwitchError, Store } from 'drone-task-queue/store';
import { FakeDrone, Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../../support/leak-check.js';
import { queues } from '../queues.js';
import { rejectionOf } from '../rejections.js';
import { Witness } from '../witness.js';
import { testDatabases } from './databases.js';
import { add, idsIn, idsOf, openItems } from './items.js';

const databases = testDatabases();
leakCheck();

type Wait = readonly [what: string, wait: () => Promise<unknown>];

/** Each where it is refused: a section that writes, and one inside of it that only reads. */
async function assertRefused(store: Awaited<ReturnType<typeof openItems>>, waits: readonly Wait[]): Promise<void> {
  const assertEach = async (): Promise<void> => {
    for (const [what, wait] of waits) {
      const error = await rejectionOf(wait());
      assert.ok(error instanceof ContextSwitchError, `${what}: ${String(error)}`);
      assert.equal(error.code, 'ERR_CONTEXT_SWITCH');
      assert.ok(error.message.startsWith(`${what} waits for something other than the database`), error.message);
      assert.match(error.message, /inside the readWrite section 'write \d' \(opened at .*: nothing was started$/);
    }
  };
  const before = await idsOf(store);
  const id = before.length + 1;
  await store.readWrite('write 1', async tx => {
    await assertEach();
    await store.read(assertEach);
    await store.readWrite('inner', async () => store.read(() => assert.rejects(assertEach(), /write 1|inner/)));
    // It is none of the section's failures.
    await add(tx, id);
  });
  await store.read(async () => {
    await store.readWrite('write 2', assertEach, { ownTransaction: true });
  });
  assert.deepEqual(await idsOf(store), [...before, id]);
}

for (const database of databases.all) {
  for (const make of queues) {
    test(`${database.name}: a ${make.name} queue refuses to wait in a section that writes, and takes nothing`, async () => {
      await using store = await openItems(await database.place());
      using rounds = new Witness(events.roundStart);
      using workers = new Witness(events.workerStart);
      await using queue = make({ name: 'jobs' });
      const drone = new FakeDrone('web1', { echo: (value: string): string => value });
      const call = drone.queueCall('echo', 'kept');
      drone.queueKillProcess({ hostname: 'web1', pid: 4321 });
      await assertRefused(store, [
        ["execute of the queue 'jobs'", () => queue.execute([drone])],
        ["execute of the queue 'jobs'", () => queue.execute([drone], { wait: false })],
        ["execute of the queue 'jobs'", () => queue.execute([])],
        ["settle of the queue 'jobs'", () => queue.settle([drone])],
        ["waitOnDrones of the queue 'jobs'", () => queue.waitOnDrones()],
        ["getResults of the queue 'jobs'", () => queue.getResults()],
        ["call of the queue 'jobs'", () => queue.call(drone, 'echo', 'no')],
        ["close of the queue 'jobs'", () => queue.close()],
      ]);
      assert.deepEqual([rounds.seen, workers.seen, drone.batches], [[], [], []]);
      assert.deepEqual(drone.getCalls(), [call]);

      await store.read(async db => {
        assert.equal(call.valueIn(await queue.execute([drone])), 'kept');
        assert.deepEqual((await idsIn(db)).length, 1);
      });
      let late: Promise<string> | undefined;
      const gate = new Gate();
      await store.readWrite('start', async tx => {
        await add(tx, 10);
        late = gate.wait().then(() => queue.call(drone, 'echo', 'late'));
      });
      gate.open();
      assert.equal(await late, 'late');
    });
  }

  test(`${database.name}: loops, managers, streams and other stores refuse to wait in a section that writes`, async () => {
    await using store = await openItems(await database.place());
    await using other = await openItems({ memory: true, name: 'other' });
    await using queue = queues[0]!();
    const loop = new TickLoop(() => assert.fail('it ticked'), { name: 'farm', pauseMs: 1 });
    const manager = new DroneManager(queue, { name: 'five' });
    const drone = new FakeDrone('web1', { print: (): Promise<void> => drone.print('stdout', 'printed') });
    const output = drone.queueCall('print').output()[Symbol.asyncIterator]();
    const never = (): never => assert.fail('it ran');
    await assertRefused(store, [
      ["run of the loop 'farm'", () => loop.run()],
      ["stop of the loop 'farm'", () => loop.stop()],
      ["fromSshConfig of 'web1'", () => SshDrone.fromSshConfig('web1', { configFile: '/dev/null' })],
      ["a call's output", () => drone.queueCall('print').output()[Symbol.asyncIterator]().next()],
      ["initialize of the drone manager 'five'", () => manager.initialize('/results', [])],
      ["triggerRefresh of the drone manager 'five'", () => manager.triggerRefresh()],
      ["syncRefresh of the drone manager 'five'", () => manager.syncRefresh()],
      ["triggerRefresh of the drone manager 'five'", () => manager.refresh()],
      ["executeActions of the drone manager 'five'", () => manager.executeActions()],
      ["close of the drone manager 'five'", () => manager.close()],
      ["a section of the store 'other'", () => other.read(never)],
      ["a section of the store 'other'", () => other.readWrite('no', never)],
      ["a section of the store 'other'", () => other.migrate({})],
      ["close of the store 'other'", () => other.close()],
    ]);
    await store.read(async () => {
      await queue.execute([drone]);
      const next = await output.next();
      assert.equal(Buffer.from(next.done === true ? [] : next.value.chunk).toString(), 'printed');
      await other.readWrite('in another', tx => add(tx, 1));
      await loop.stop();
    });
    await manager.close();
    assert.deepEqual(await idsOf(other), [1]);
  });

  test(`${database.name}: opening another store is refused in a section that writes`, async () => {
    await using store = await openItems(await database.place());
    await assertRefused(store, [["open of the store 'store'", () => Store.open({ memory: true })]]);
  });
}
