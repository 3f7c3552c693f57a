import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import test from 'node:test';
import { DroneTaskQueueException, ThreadedTaskQueue } from 'drone-task-queue';
import { type DroneFresh, DroneManager, DroneManagerError, type DroneStale, events } from 'drone-task-queue/scheduler';
import { Store } from 'drone-task-queue/store';
import { Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../../support/leak-check.js';
import { codeOf, farmOf, Host, leader, names } from './hosts.js';

leakCheck();

test('a drone that cannot be initialized is left out, told, and tried again with each refresh', async () => {
  const [well, ill] = [new Host('well'), new Host('ill')];
  ill.broken.set('initialize', new Error('disk full'));
  await using farm = await farmOf([well, ill]);
  const { manager } = farm;
  assert.deepEqual(names(manager.drones), ['well', 'ill']);
  assert.deepEqual(names(manager.usable), ['well']);
  assert.match(String(manager.stale.get(ill.drone)?.error), /disk full/);
  assert.equal(manager.stale.get(ill.drone)?.ageMs, Infinity);

  ill.broken.clear();
  const report = await manager.refresh();
  assert.deepEqual(names(report.refreshed), ['well', 'ill']);
  assert.deepEqual(names(manager.usable), ['well', 'ill']);
  assert.equal(manager.stale.size, 0);
  await manager.refresh();
  const methods = ill.drone.batches.map(batch => batch.map(({ method }) => method).join());
  assert.deepEqual(methods, ['initialize', 'refresh,initialize', 'refresh,initialize', 'refresh']);
});

test('when no drone can be initialized the error has all failures, and one may try again', async () => {
  await using queue = new ThreadedTaskQueue({ threads: 1 });
  const host = new Host('one');
  host.drone.misbehave('refuse');
  const manager = new DroneManager(queue);
  const isNoDrones = (error: unknown): boolean =>
    error instanceof DroneManagerError &&
    error.code === 'ERR_NO_DRONES' &&
    /Drone one: .*unreachable/.test(error.message) &&
    error.failures.has(host.drone);
  await assert.rejects(manager.initialize('/results', [host.drone]), isNoDrones);
  await assert.rejects(manager.initialize('/results', []), codeOf('ERR_NO_DRONES'));
  await assert.rejects(manager.triggerRefresh(), codeOf('ERR_NOT_INITIALIZED'));
  host.drone.behave();
  await manager.initialize('/results', [host.drone]);
  await assert.rejects(manager.initialize('/results', [host.drone]), codeOf('ERR_INITIALIZED'));
  await manager.close();
});

test('initializing leaves the calls that users have queued where they are', async () => {
  const host = new Host('one');
  const call = host.drone.queueCall('appendToFile', '/notes', 'mine');
  await using farm = await farmOf([host], {}, false);
  assert.ok(farm.manager);
  assert.deepEqual(host.drone.getCalls(), [call]);
  assert.equal(host.files.size, 0);
});

test('a refresh is started and the scheduler goes on; what is queued meanwhile belongs to the actions', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  const { manager } = farm;
  host.refreshGate = new Gate();
  await manager.triggerRefresh();
  await host.refreshGate.arrived();
  const mine = host.drone.queueCall('appendToFile', '/notes', 'mine');
  host.refreshGate.open();
  assert.deepEqual(names((await manager.syncRefresh()).refreshed), ['one']);
  assert.deepEqual(host.drone.getCalls(), [mine]);
  await manager.executeActions();
  assert.equal(host.files.get('/notes'), 'mine');
});

test('syncing without a refresh gives nothing', async () => {
  await using farm = await farmOf([new Host('one')]);
  assert.deepEqual(await farm.manager.syncRefresh(), { refreshed: [], failures: new Map(), notStarted: [] });
});

test('a drone with calls left over is left out of the refresh and stale; the others are refreshed', async () => {
  const [busy, free] = [new Host('busy'), new Host('free')];
  await using farm = await farmOf([busy, free]);
  const { manager } = farm;
  const left = busy.drone.queueCall('appendToFile', '/notes', 'left');
  const report = await manager.refresh();
  assert.deepEqual(names(report.refreshed), ['free']);
  assert.ok(codeOf('ERR_CALLS_LEFT')(report.failures.get(busy.drone)));
  assert.match(
    String(manager.stale.get(busy.drone)?.error),
    /busy has calls left .*: appendToFile\('\/notes', 'left'\); executeActions runs them$/,
  );
  assert.deepEqual(busy.drone.getCalls(), [left]);
  assert.equal(free.asked.length, 2);

  await manager.executeActions();
  await manager.refresh();
  assert.deepEqual(names(manager.usable), ['busy', 'free']);
});

test('a refresh that never ran is not left in the queue of its drone', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  host.drone.misbehave('refuse');
  await farm.manager.refresh();
  assert.deepEqual(host.drone.getCalls(), []);
  host.drone.behave();
  await farm.manager.refresh();
  assert.deepEqual(
    host.drone.batches.at(-1)?.map(({ method }) => method),
    ['refresh'],
  );
});

test('a refresh that the queue refuses leaves nothing behind on any drone, not even beside the calls of others', async () => {
  const [one, two] = [new Host('one'), new Host('two')];
  await using farm = await farmOf([one, two]);
  const { manager, queue } = farm;
  const other = new Host('other');
  other.drone.queueCall('appendToFile', '/notes', 'x');
  await queue.execute([other.drone], { wait: false });
  one.drone.queueKillProcess({ hostname: 'one', pid: 77 });
  await assert.rejects(manager.triggerRefresh(), (error: unknown) => error instanceof DroneTaskQueueException);
  assert.deepEqual([...one.drone.getCalls(), ...two.drone.getCalls()], []);
  await queue.getResults();
  assert.deepEqual(names((await manager.refresh()).refreshed), ['one', 'two']);
  assert.deepEqual(one.drone.kills, [{ hostname: 'one', pid: 77 }], 'the kill was still there, and rode along');
});

test('a drone that fails a refresh keeps what was known, is stale with its age, takes no work, and comes back', async () => {
  const [ill, well] = [new Host('ill'), new Host('well')];
  const told: unknown[] = [];
  const onStale = (message: unknown): number => told.push(['stale', (message as DroneStale).hostname]);
  const onFresh = (message: unknown): number => told.push(['fresh', (message as DroneFresh).hostname]);
  subscribe(events.droneStale, onStale);
  subscribe(events.droneFresh, onFresh);
  const pid = ill.run('/results/1/pid');
  await using farm = await farmOf([ill, well]);
  const { clock, manager } = farm;
  const id = { hostname: 'ill', path: '/results/1/pid' };
  manager.registerPidfile(id);
  await manager.refresh();
  assert.deepEqual(manager.pidfileState(id), { kind: 'running', pid });

  ill.drone.misbehave('refuse');
  await clock.advance(500);
  await manager.refresh();
  await clock.advance(500);
  await manager.refresh();
  assert.deepEqual(manager.pidfileState(id), { kind: 'running', pid });
  assert.ok(manager.isProcessRunning({ hostname: 'ill', pid }));
  const stale = manager.stale.get(ill.drone);
  assert.equal((stale?.error as { kind?: unknown }).kind, 'unreachable');
  assert.equal(stale?.ageMs, 1000);
  assert.equal(manager.chooseDrone(1)?.hostname, 'well');
  assert.equal(ill.drone.activeProcesses, 1);

  ill.drone.behave();
  ill.finish(id.path, 3);
  await manager.refresh();
  assert.deepEqual(manager.pidfileState(id), { kind: 'finished', pid, exitStatus: 3 });
  assert.deepEqual(names(manager.usable), ['ill', 'well']);
  unsubscribe(events.droneStale, onStale);
  unsubscribe(events.droneFresh, onFresh);
  assert.deepEqual(told, [
    ['stale', 'ill'],
    ['fresh', 'ill'],
  ]);
});

test('an answer that makes no sense makes its drone stale and is not used', async () => {
  const host = new Host('one');
  const pid = host.run('/results/1/pid');
  await using farm = await farmOf([host]);
  const sensible = { pidfiles: {}, processes: [], pidfilesSecondRead: {} };
  for (const value of [null, 7, {}, { ...sensible, processes: [7] }, { ...sensible, pidfiles: { '/a': 1 } }]) {
    host.refreshValue = value ?? 'null';
    const { failures } = await farm.manager.refresh();
    assert.ok(codeOf('ERR_BAD_REFRESH')(failures.get(host.drone)));
    assert.ok(farm.manager.isProcessRunning({ hostname: 'one', pid }));
  }
});

test('a tick that broke off after its trigger does not wedge the next one, and nothing it found is lost', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  const { manager } = farm;
  const pid = host.run('/results/1/pid');
  await manager.triggerRefresh();
  await manager.executeActions(); // waits until it is answered
  host.drone.misbehave('refuse');
  await manager.triggerRefresh();
  assert.ok(manager.isProcessRunning({ hostname: 'one', pid }), 'what the first one found');
  assert.deepEqual(names(manager.usable), ['one']);
  await manager.syncRefresh();
  assert.deepEqual(names(manager.usable), []);
});

test('a refresh is ended by its signal, and by the end of the manager', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  const { manager } = farm;
  const abort = new AbortController();
  host.refreshGate = new Gate();
  await manager.triggerRefresh({ signal: abort.signal });
  await host.refreshGate.arrived();
  abort.abort();
  const { failures } = await manager.syncRefresh();
  assert.equal((failures.get(host.drone) as { kind?: unknown }).kind, 'cancelled');

  host.refreshGate = new Gate();
  await manager.triggerRefresh();
  await host.refreshGate.arrived();
  assert.equal(manager.close(), manager.close());
  await manager.close();
  await assert.rejects(manager.triggerRefresh(), codeOf('ERR_SHUT_DOWN'));
  await assert.rejects(manager.executeActions(), codeOf('ERR_SHUT_DOWN'));
  assert.deepEqual(host.drone.getCalls(), []);
});

test('a pidfile that is unregistered between trigger and sync is not an error, and counts no more', async () => {
  const host = new Host('one');
  const id = { hostname: 'one', path: '/results/1/pid' };
  host.run(id.path);
  await using farm = await farmOf([host]);
  const { manager } = farm;
  manager.registerPidfile(id, { processCount: 4 });
  await manager.refresh();
  assert.equal(host.drone.activeProcesses, 4);
  await manager.triggerRefresh();
  assert.equal(manager.unregisterPidfile(id), false);
  await manager.syncRefresh();
  assert.equal(host.drone.activeProcesses, 0);
  assert.equal(manager.pidfileState(id), undefined);
  assert.equal(manager.pidfileContents(id), undefined);
  assert.throws(() => {
    manager.declareProcessCount(id, 1);
  }, codeOf('ERR_UNKNOWN_PIDFILE'));
});

test('a process count that is declared anew counts at once', async () => {
  const host = new Host('one');
  const id = { hostname: 'one', path: '/results/1/pid' };
  host.run(id.path);
  await using farm = await farmOf([host]);
  const { manager } = farm;
  manager.registerPidfile(id);
  await manager.refresh();
  manager.declareProcessCount(id, 7);
  assert.equal(host.drone.activeProcesses, 7);
  host.finish(id.path, 0);
  await manager.refresh();
  assert.equal(host.drone.activeProcesses, 0);
});

test('an unread pidfile is dropped after so many refreshes; reading or registering it begins anew', async () => {
  const host = new Host('one');
  const [read, again, forgotten] = ['/results/1/pid', '/results/2/pid', '/results/3/pid'].map(path => ({
    hostname: 'one',
    path,
  }));
  assert.ok(read && again && forgotten);
  await using farm = await farmOf([host], { maxPidfileAge: 2 });
  const { manager } = farm;
  for (const id of [read, again, forgotten]) manager.registerPidfile(id);
  for (let refresh = 1; refresh <= 3; refresh++) {
    await manager.refresh();
    manager.pidfileContents(read);
    manager.registerPidfile(again);
    assert.equal(manager.pidfiles.length, 3, `after ${String(refresh)}`);
  }
  await manager.refresh();
  assert.deepEqual(manager.pidfiles, [read, again]);
});

test('both reads of a pidfile can be had', async () => {
  const host = new Host('one');
  const id = { hostname: 'one', path: '/results/1/pid' };
  await using farm = await farmOf([host]);
  const { manager } = farm;
  manager.registerPidfile(id);
  assert.equal(manager.pidfileContents(id), undefined, 'before a refresh has asked for it');
  const pid = host.run(id.path);
  host.secondRead.set(id.path, `${String(pid)}\n0\n`);
  await manager.refresh();
  assert.deepEqual(manager.pidfileContents(id), { kind: 'running', pid });
  assert.deepEqual(manager.pidfileContents(id, { secondRead: true }), { kind: 'finished', pid, exitStatus: 0 });
});

test('several drones that are one host share its pidfiles by their room', async () => {
  const [small, large] = [new Host('same', 1), new Host('same', 3)];
  await using farm = await farmOf([small, large]);
  const { manager } = farm;
  for (const number of ['1', '2', '3', '4']) {
    const path = `/results/${number}/pid`;
    small.run(path);
    large.run(path);
    manager.registerPidfile({ hostname: 'same', path });
  }
  await manager.refresh();
  assert.deepEqual([small.drone.activeProcesses, large.drone.activeProcesses], [1, 3]);
  assert.throws(() => {
    manager.registerPidfile({ hostname: 'nowhere', path: '/results/1/pid' });
  }, codeOf('ERR_UNKNOWN_HOST'));
});

test('metrics tell of refreshes, capacity and stale drones', async () => {
  const sent = new Map<string, number>();
  const stats = {
    timing: (name: string) => sent.set(name, 1),
    increment: (name: string) => sent.set(name, 1),
    gauge: (name: string, value: number) => sent.set(name, value),
  };
  const [ill, well] = [new Host('ill', 3), new Host('well', 4)];
  well.run('/results/1/pid');
  await using farm = await farmOf([ill, well], { stats, name: 'farm' });
  farm.manager.registerPidfile({ hostname: 'well', path: '/results/1/pid' }, { processCount: 2 });
  ill.drone.misbehave('refuse');
  await farm.manager.refresh();
  const metric = (name: string): number | undefined => sent.get(`drone_task_queue.farm.${name}`);
  assert.deepEqual(['active_processes', 'max_processes', 'stale_drones', 'refresh'].map(metric), [2, 4, 1, 1]);
});

test('bad arguments and options are refused by name', async () => {
  await using farm = await farmOf([new Host('one')]);
  const { manager, queue } = farm;
  assert.throws(() => new DroneManager(7 as never), /queue is 7, expected a task queue/);
  assert.throws(() => new DroneManager(queue, { age: 3 } as never), /unknown option 'age'/);
  assert.throws(() => new DroneManager(queue, { startGraceMs: -1 }), /startGraceMs is -1/);
  assert.throws(() => new DroneManager(queue, { clock: 7 as never }), /clock is/);
  assert.throws(
    () => new DroneManager(queue, { resultsDrone: 'one' as never }),
    /resultsDrone is 'one', expected a drone/,
  );
  await assert.rejects(manager.initialize('results', []), /resultsDir is 'results', expected an absolute path/);
  const twice = [new Host('two').drone].flatMap(drone => [drone, drone]);
  await assert.rejects(
    manager.initialize('/results', twice),
    /drones\[1\] is .*, expected a drone that is listed once/,
  );
  await assert.rejects(manager.refresh({ wait: false } as never), /unknown option 'wait'/);
  assert.throws(() => {
    manager.registerPidfile({ hostname: 'one', path: 'pid' });
  }, /id.path is 'pid', expected an absolute path/);
  assert.throws(() => {
    manager.registerPidfile({ hostname: 'one', path: '/pid' }, { writtenBy: 'me' as never });
  }, /writtenBy is 'me'/);
});

test('a path is the same pidfile however it is written', async () => {
  const host = new Host('one');
  const pid = host.run('/results/1/pid');
  await using farm = await farmOf([host]);
  farm.manager.registerPidfile({ hostname: 'one', path: '/results//2/../1/pid' });
  await farm.manager.refresh();
  assert.deepEqual(farm.manager.pidfileState({ hostname: 'one', path: '/results/1/pid' }), { kind: 'running', pid });
  assert.equal(farm.manager.droneOf({ hostname: 'one', path: '/results/./1/pid' }), host.drone);
});

test('a pidfile that names another process which got its pid is lost', async () => {
  const host = new Host('one');
  const [ours, other] = ['/results/1/pid', '/results/2/pid'].map(path => ({ hostname: 'one', path }));
  assert.ok(ours && other);
  host.pidfiles.set(ours.path, '4711\n').set(other.path, '4712\n');
  host.processes = [
    { pid: 4711, ppid: 1, pgid: 4711, comm: 'daemon', args: '/usr/sbin/daemon' },
    leader(4712, '/results/3/pid'),
  ];
  await using farm = await farmOf([host]);
  const { manager } = farm;
  for (const id of [ours, other]) manager.registerPidfile(id);
  await manager.refresh();
  assert.deepEqual(manager.pidfileState(ours), { kind: 'lost', pid: 4711, survivors: [] });
  assert.deepEqual(manager.pidfileState(other), { kind: 'lost', pid: 4712, survivors: [] });
});

test('the pidfile of another program is believed of a process that leads its group, and of no other', async () => {
  const host = new Host('one');
  const [leads, follows] = ['/run/1.pid', '/run/2.pid'].map(path => ({ hostname: 'one', path }));
  assert.ok(leads && follows);
  host.pidfiles.set(leads.path, '4711').set(follows.path, '4712');
  host.processes = [
    { pid: 4711, ppid: 1, pgid: 4711, comm: 'daemon', args: '/usr/sbin/daemon' },
    { pid: 4712, ppid: 4711, pgid: 4711, comm: 'daemon', args: '/usr/sbin/daemon' },
  ];
  await using farm = await farmOf([host]);
  const { manager } = farm;
  for (const id of [leads, follows]) manager.registerPidfile(id, { writtenBy: 'other' });
  await manager.refresh();
  assert.deepEqual(manager.pidfileState(leads), { kind: 'running', pid: 4711 });
  assert.equal(manager.pidfileState(follows)?.kind, 'lost');
});

test('a process that ended while the processes were read differs from one that vanished', async () => {
  const host = new Host('one');
  const ids = ['ended', 'vanished', 'appeared', 'removed', 'corrupt'].map(name => ({
    hostname: 'one',
    path: `/results/${name}/pid`,
  }));
  const [ended, vanished, appeared, removed, corrupt] = ids;
  assert.ok(ended && vanished && appeared && removed && corrupt);
  host.pidfiles.set(ended.path, '101\n').set(vanished.path, '102\n').set(corrupt.path, 'what\n');
  host.secondRead.set(ended.path, '101\n9\n').set(appeared.path, '103\n');
  const removedPid = host.run(removed.path);
  await using farm = await farmOf([host]);
  const { manager } = farm;
  for (const id of ids) manager.registerPidfile(id);
  await manager.refresh();
  const kinds = (): unknown[] => ids.map(id => manager.pidfileState(id)?.kind);
  assert.deepEqual(kinds(), ['finished', 'lost', 'running', 'running', 'corrupt']);

  host.pidfiles.delete(removed.path);
  await manager.refresh();
  assert.deepEqual(manager.pidfileState(removed), { kind: 'running', pid: removedPid }, 'its process is there');
  host.vanish(removedPid);
  await manager.refresh();
  assert.deepEqual(manager.pidfileState(removed), { kind: 'lost', pid: removedPid, survivors: [] });
});

test('in a section that writes no round is begun or waited for', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  const { manager } = farm;
  host.refreshGate = new Gate();
  const { length } = host.asked;
  await using store = await Store.open({ memory: true });
  const refuses = (what: () => Promise<unknown>): Promise<void> =>
    store.readWrite('wait', () => assert.rejects(what, { name: 'ContextSwitchError', code: 'ERR_CONTEXT_SWITCH' }));
  await refuses(() => manager.triggerRefresh());
  assert.equal(host.asked.length, length);
  await manager.triggerRefresh();
  await refuses(() => manager.syncRefresh());
  await refuses(() => manager.executeActions());
  host.refreshGate.open();
  assert.deepEqual((await manager.syncRefresh()).refreshed, [host.drone]);
});
