import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import test from 'node:test';
import type { DroneError } from 'drone-task-queue';
import { type CommandNotStarted, events, WORKING_DIRECTORY } from 'drone-task-queue/scheduler';
import { Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../../support/leak-check.js';
import { codeOf, farmOf, Host, inFolder, names } from './hosts.js';

leakCheck();

test('a command is only ordered: it starts with the actions, after the files that were attached to it', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  const { manager } = farm;
  assert.equal(manager.attachFile('/results/1', 'conf/control', 'a'), '/results/1/conf/control');
  manager.attachFile('/results/2', 'control', 'b');
  const command = Object.freeze(['job', '-d', WORKING_DIRECTORY] as const);
  const id = manager.executeCommand(command, { ...inFolder('/results/1'), processCount: 3, logFile: 'log' });
  assert.deepEqual(id, { hostname: 'one', path: '/results/1/pid' });
  assert.deepEqual(manager.pidfileState(id), { kind: 'queued' });
  assert.equal(host.drone.activeProcesses, 3, 'its room is taken at once');
  assert.deepEqual(host.started, []);

  const report = await manager.executeActions();
  assert.deepEqual(host.started, [{ command: ['job', '-d', '/results/1'], pidfile: '/results/1/pid' }]);
  assert.deepEqual(command, ['job', '-d', WORKING_DIRECTORY], "the caller's list is as it was");
  assert.deepEqual([...host.files], [['/results/1/conf/control', 'a']]);
  const [started] = report.started;
  assert.ok(started);
  assert.deepEqual(started.id, id);
  assert.deepEqual(manager.pidfileState(id), { kind: 'running', pid: started.pid });
  assert.deepEqual(
    host.drone.batches.at(-1)?.map(({ method }) => method),
    ['appendToFile', 'executeCommand'],
  );

  host.finish(id.path, 2);
  await manager.refresh();
  assert.deepEqual(manager.pidfileState(id), { kind: 'finished', pid: started.pid, exitStatus: 2 });
  assert.equal(host.drone.activeProcesses, 0);
});

test('commands ordered in one tick spread over the drones by their load', async () => {
  const hosts = [new Host('one', 2), new Host('two', 4)];
  await using farm = await farmOf(hosts);
  const { manager } = farm;
  const ids = ['1', '2', '3', '4', '5', '6'].map(name => manager.executeCommand(['job'], inFolder(`/results/${name}`)));
  assert.deepEqual(
    hosts.map(({ drone }) => drone.activeProcesses),
    [2, 4],
  );
  assert.equal((await manager.executeActions()).started.length, ids.length);
  assert.equal(manager.maxRunnableProcesses(), 0);
});

test('a file is attached once, inside of its folder, and waits when there is no drone', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  const { manager } = farm;
  manager.attachFile('/results/1', 'control', 'first');
  assert.throws(() => manager.attachFile('/results/1', './control', 'second'), codeOf('ERR_ATTACHED_TWICE'));
  for (const name of ['', '.', '../x', 'a/../../x', 'a/']) {
    assert.throws(() => manager.attachFile('/results/1', name, ''), codeOf('ERR_INVALID_ARG'));
  }
  const order = { ...inFolder('/results/1'), allowedHostnames: [] };
  assert.throws(() => manager.executeCommand(['job'], order), codeOf('ERR_NO_USABLE_DRONE'));
  manager.executeCommand(['job'], inFolder('/results/1'));
  await manager.executeActions();
  assert.deepEqual([...host.files.values()], ['first']);
});

test('a paired command runs where its pair runs, even disabled, within the limit', async () => {
  const [one, two] = [new Host('one', 1), new Host('two', 10)];
  const first = { hostname: 'one', path: '/results/1/pid' };
  one.run(first.path);
  await using farm = await farmOf([one, two]);
  const { manager } = farm;
  manager.registerPidfile(first);
  await manager.refresh();
  one.drone.enabled = false;
  const paired = { ...inFolder('/results/1b'), pairedWith: first };
  assert.throws(() => manager.executeCommand(['parse'], paired), codeOf('ERR_NO_ROOM'));
  assert.equal(manager.executeCommand(['parse'], { ...paired, processCount: 0 }).hostname, 'one');
  const unknown = { ...inFolder('/results/2'), pairedWith: { hostname: 'one', path: '/results/9/pid' } };
  assert.throws(() => manager.executeCommand(['parse'], unknown), codeOf('ERR_UNKNOWN_PIDFILE'));
  assert.equal(manager.pidfiles.length, 2);
});

test('a pidfile stands for one command: a second one with it is refused until the first is unregistered', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  const { manager } = farm;
  const id = manager.executeCommand(['job'], inFolder('/results/1'));
  assert.throws(() => manager.executeCommand(['job'], inFolder('/results/1/.')), codeOf('ERR_PIDFILE_REGISTERED'));
  assert.equal(manager.unregisterPidfile(id), true, 'withdrawn before it was sent');
  assert.equal(host.drone.activeProcesses, 0);
  manager.executeCommand(['other'], inFolder('/results/1'));
  await manager.executeActions();
  assert.deepEqual(
    host.started.map(({ command }) => command),
    [['other']],
  );
});

test('a withdrawn command takes its attached files along and leaves the calls of others', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  const { manager } = farm;
  const before = host.drone.queueCall('appendToFile', '/notes', 'mine');
  manager.attachFile('/results/1', 'control', 'a');
  const id = manager.executeCommand(['job'], inFolder('/results/1'));
  const after = host.drone.queueCall('appendToFile', '/notes', 'too');
  manager.unregisterPidfile(id);
  assert.deepEqual(host.drone.getCalls(), [before, after]);
});

test('a command whose drone is down fails to start, so that commands never pile up for a drone that is back', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  const { manager } = farm;
  const ids = ['1', '2', '3'].map(name => manager.executeCommand(['job'], inFolder(`/results/${name}`)));
  const own = host.drone.queueCall('appendToFile', '/notes', 'mine');
  host.drone.misbehave('refuse');
  const report = await manager.executeActions();
  assert.deepEqual([report.queued, report.started, report.unsure, manager.pidfiles], [[], [], [], []]);
  assert.deepEqual(
    report.failedToStart.map(({ id, error }) => [id, (error as { kind?: unknown }).kind]),
    ids.map(id => [id, 'unreachable']),
  );
  assert.equal((manager.stale.get(host.drone)?.error as { kind?: unknown }).kind, 'unreachable');
  assert.deepEqual(host.drone.getCalls(), [own]);
  host.drone.clearCallQueue();
  host.drone.behave();
  await manager.refresh();
  assert.deepEqual(names(manager.usable), ['one']);
  const [first] = ids;
  assert.ok(first);
  // Its name is free again.
  assert.deepEqual(manager.executeCommand(['job'], inFolder('/results/1')), first);
  assert.equal((await manager.executeActions()).started.length, 1);
  assert.equal(host.started.length, 1);
});

test('the pidfile of a queued command does not grow too old, however long its drone is down', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host], { maxPidfileAge: 0 });
  const { manager } = farm;
  const id = manager.executeCommand(['job'], inFolder('/results/1'));
  host.drone.misbehave('refuse');
  for (let tick = 0; tick < 3; tick++) await manager.refresh();
  assert.deepEqual(manager.pidfiles, [id]);
});

test('a command that cannot start is reported, unregistered, and keeps neither its drone nor the others from work', async () => {
  const host = new Host('one');
  const told: unknown[] = [];
  const listener = (message: unknown): number => told.push((message as CommandNotStarted).pidfile);
  subscribe(events.commandNotStarted, listener);
  await using farm = await farmOf([host]);
  const { manager } = farm;
  host.broken.set('executeCommand', new Error('no such program'));
  const ids = ['1', '2', '3'].map(name => manager.executeCommand(['jbo'], inFolder(`/results/${name}`)));
  host.drone.queueCall('appendToFile', '/notes', 'mine');
  const report = await manager.executeActions();
  unsubscribe(events.commandNotStarted, listener);
  assert.deepEqual(
    report.failedToStart.map(({ id }) => id),
    ids,
  );
  assert.match(String(report.failedToStart[0]?.error), /no such program/);
  assert.deepEqual(manager.pidfiles, []);
  assert.deepEqual(
    told,
    ids.map(({ path }) => path),
  );
  assert.equal(host.files.get('/notes'), 'mine', 'the calls behind them ran in the same actions');
  assert.deepEqual(names(manager.usable), ['one']);
  assert.equal(host.drone.activeProcesses, 0);
});

test('a command does not start without the file that was attached to it', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  const { manager } = farm;
  host.broken.set('appendToFile', new Error('disk full'));
  manager.attachFile('/results/1', 'control', 'a');
  const id = manager.executeCommand(['job'], inFolder('/results/1'));
  const report = await manager.executeActions();
  assert.deepEqual(
    report.failedToStart.map(failed => failed.id),
    [id],
  );
  assert.ok(codeOf('ERR_NOT_ATTACHED')(report.failedToStart[0]?.error));
  host.broken.clear();
  await manager.executeActions();
  assert.deepEqual(host.started, []);
});

test('a command is sent once, and its files too, though the calls of its drone are idempotent by default', async () => {
  const host = new Host('one', 10, { defaults: { idempotent: true } });
  await using farm = await farmOf([host]);
  const { manager } = farm;
  manager.attachFile('/results/1', 'control', 'a');
  const id = manager.executeCommand(['job'], inFolder('/results/1'));
  const before = host.drone.batches.length;
  host.drone.misbehave('die');
  assert.deepEqual((await manager.executeActions()).unsure, [id]);
  assert.equal(host.drone.batches.length, before + 1, 'nothing is tried again');
});

test('a command that was sent to a drone that died is unsure until its pidfile tells', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  const { clock, manager } = farm;
  const [runs, never] = ['1', '2'].map(name => manager.executeCommand(['job'], inFolder(`/results/${name}`)));
  assert.ok(runs && never);
  host.drone.misbehave('die');
  const report = await manager.executeActions();
  assert.deepEqual(report.unsure, [runs, never]);
  assert.deepEqual(host.drone.getCalls(), [], 'nothing is sent twice');
  host.drone.behave();
  host.started.length = 0;
  const pid = host.run(runs.path);
  // While the drone stands still, the time that goes by says nothing: the doubt ends by what it answers.
  await clock.advance(600_000);
  assert.deepEqual((await manager.refresh()).notStarted, []);
  await clock.advance(124_999);
  assert.deepEqual((await manager.refresh()).notStarted, []);
  assert.deepEqual(manager.pidfileState(runs), { kind: 'running', pid });
  assert.deepEqual(manager.pidfileState(never), { kind: 'unsure' }, 'an old agent may still get to it');
  assert.equal(host.drone.activeProcesses, 2);

  await clock.advance(1);
  assert.deepEqual((await manager.refresh()).notStarted, [never]);
  assert.deepEqual(manager.pidfileState(never), { kind: 'not-started' });
  assert.equal(host.drone.activeProcesses, 1);
  assert.deepEqual((await manager.refresh()).notStarted, [], 'told once');
  manager.unregisterPidfile(never);
  manager.executeCommand(['job'], inFolder('/results/2'));
  await manager.executeActions();
  assert.equal(host.started.length, 1);
});

test('an unsure command whose leader waits for its pidfile is not given up', async () => {
  const host = new Host('one');
  const id = { hostname: 'one', path: '/results/1/pid' };
  host.run(id.path);
  host.pidfiles.clear();
  await using farm = await farmOf([host], { startGraceMs: 0 });
  farm.manager.registerPidfile(id);
  await farm.manager.refresh();
  assert.deepEqual(farm.manager.pidfileState(id), { kind: 'unsure' });
});

test('an empty pidfile is waited for, and corrupt if it stays so', async () => {
  const host = new Host('one');
  const id = { hostname: 'one', path: '/run/1.pid' };
  host.pidfiles.set(id.path, '');
  await using farm = await farmOf([host], { startGraceMs: 10 });
  farm.manager.registerPidfile(id, { writtenBy: 'other' });
  await farm.manager.refresh();
  assert.deepEqual(farm.manager.pidfileState(id), { kind: 'unsure' });
  await farm.clock.advance(10);
  await farm.manager.refresh();
  assert.deepEqual(farm.manager.pidfileState(id), { kind: 'corrupt', problem: 'it stays empty' });
});

test('actions between trigger and sync wait for the refresh, and its older news change nothing of what they started', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  const { manager } = farm;
  host.refreshGate = new Gate();
  await manager.triggerRefresh();
  await host.refreshGate.arrived();
  const id = manager.executeCommand(['job'], inFolder('/results/1'));
  const actions = manager.executeActions();
  assert.deepEqual(host.started, []);
  host.refreshGate.open();
  assert.equal((await actions).started.length, 1);
  assert.equal(manager.pidfileState(id)?.kind, 'running');
  assert.deepEqual(names((await manager.syncRefresh()).refreshed), ['one']);
  assert.equal(manager.pidfileState(id)?.kind, 'running');
  assert.equal(host.drone.activeProcesses, 1);
});

test('one drone that fails does not hold up the actions of the others, nor throw', async () => {
  const [ill, well] = [new Host('ill'), new Host('well')];
  await using farm = await farmOf([ill, well]);
  const { manager } = farm;
  ill.drone.queueCall('appendToFile', '/notes', 'ill');
  const call = well.drone.queueCall('appendToFile', '/notes', 'well');
  ill.drone.misbehave('die');
  const report = await manager.executeActions();
  assert.deepEqual(names(report.failures.map(({ drone }) => drone)), ['ill']);
  assert.equal(report.outcomes[0] && [...report.outcomes[0].results.keys()][0], well.drone);
  assert.equal(call.valueIn(report.outcomes[0]?.results ?? new Map()), undefined);
  assert.deepEqual(names(manager.usable), ['well']);
});

test('kills go with the actions, also alone, and only to a host that is known', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  const { manager } = farm;
  manager.killProcess({ hostname: 'one', pid: 4711 });
  await manager.executeActions();
  await manager.executeActions();
  assert.deepEqual(host.drone.kills, [{ hostname: 'one', pid: 4711 }], 'once');
  assert.throws(() => {
    manager.killProcess({ hostname: 'two', pid: 4711 });
  }, codeOf('ERR_UNKNOWN_HOST'));
});

test('lines go to the results drone after the drones have run, or beside a pidfile', async () => {
  const [host, results] = [new Host('one'), new Host('archive')];
  const id = { hostname: 'one', path: '/results/1/pid' };
  await using farm = await farmOf([host], { resultsDrone: results.drone });
  const { manager } = farm;
  manager.registerPidfile(id);
  manager.writeLinesToFile('/archive/keyvals', ['a=1', 'b=2']);
  manager.writeLinesToFile('/results/1/keyvals', ['c=3'], id);
  results.drone.misbehave('refuse');
  const report = await manager.executeActions();
  assert.equal(host.files.get('/results/1/keyvals'), 'c=3\n');
  assert.deepEqual(
    report.failures.map(({ error }) => error.kind),
    ['unreachable'],
    'told, and not thrown',
  );
  results.drone.behave();
  await manager.executeActions();
  assert.equal(results.files.get('/archive/keyvals'), 'a=1\nb=2\n');
});

test('results are copied on one host by the host itself', async () => {
  const [host, results] = [new Host('one'), new Host('one')];
  await using farm = await farmOf([host], { resultsDrone: results.drone });
  const { manager } = farm;
  manager.copyToResultsRepository(host.drone, '/results/1/', '/archive/1');
  manager.copyResultsOnDrone({ hostname: 'one', pid: 7 }, '/results/1/log', '/results/1/log.old');
  await manager.executeActions();
  assert.deepEqual(
    [...host.files],
    [
      ['/archive/1', 'copy of /results/1/'],
      ['/results/1/log.old', 'copy of /results/1/log'],
    ],
  );
});

test('results go from host to host once the results drone answers, and once', async () => {
  const [host, results] = [new Host('one'), new Host('archive')];
  await using farm = await farmOf([host], { resultsDrone: results.drone });
  const { manager } = farm;
  manager.copyToResultsRepository({ hostname: 'one', pid: 7 }, '/results/1/log', '/archive/1.log');
  results.drone.misbehave('refuse');
  const away = await manager.executeActions();
  assert.deepEqual(away.failedCopies, []);
  assert.deepEqual(
    away.pendingCopies.map(({ source, error }) => [source, (error as DroneError).kind]),
    [['/results/1/log', 'unreachable']],
  );
  results.drone.behave();
  assert.deepEqual((await manager.executeActions()).pendingCopies, []);
  await manager.executeActions();
  const copied = results.drone.batches.flat().filter(({ method }) => method === 'putFile');
  assert.deepEqual(
    copied.map(({ args }) => args[1]),
    ['/archive/1.log'],
  );

  results.broken.set('putFile', new Error('disk full'));
  manager.copyToResultsRepository(host.drone, '/results/2/log', '/archive/2.log');
  const { failedCopies } = await manager.executeActions();
  assert.match(String(failedCopies[0]?.error), /disk full/);
});

test('aborted actions leave queued what was not sent', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  const { manager } = farm;
  const id = manager.executeCommand(['job'], inFolder('/results/1'));
  const report = await manager.executeActions({ signal: AbortSignal.abort() });
  assert.deepEqual(host.started, []);
  assert.deepEqual(report.queued, [id]);
  assert.deepEqual(names(manager.usable), ['one']);
});

test('a command that was cleared from its drone elsewhere is unsure, and not forgotten', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host], { startGraceMs: 0 });
  const { manager } = farm;
  const id = manager.executeCommand(['job'], inFolder('/results/1'));
  host.drone.clearCallQueue();
  assert.deepEqual((await manager.executeActions()).unsure, [id]);
  assert.deepEqual((await manager.refresh()).notStarted, [id]);
});

test('bad commands are refused by name, before anything is queued', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  const order =
    (options: object, command: unknown = ['job']) =>
    () =>
      farm.manager.executeCommand(command as string[], { ...inFolder('/results/1'), ...options });
  assert.throws(order({}, []), /command is \[\], expected a list with at least the program/);
  assert.throws(order({}, ['job', 7]), /command\[1\] is 7/);
  assert.throws(order({ workingDirectory: 'results' }), /workingDirectory is 'results', expected an absolute path/);
  assert.throws(order({ pidfileName: 'a/b' }), /pidfileName is 'a\/b', expected a plain file name/);
  assert.throws(order({ processCount: 1.5 }), /processCount is 1.5/);
  assert.throws(order({ processCuont: 1 }), /unknown option 'processCuont'/);
  assert.throws(order({}, ['job', 'x'.repeat(2 ** 26)]), codeOf('ERR_TOO_LARGE'));
  assert.deepEqual([host.drone.getCalls(), farm.manager.pidfiles, host.drone.activeProcesses], [[], [], 0]);
});
