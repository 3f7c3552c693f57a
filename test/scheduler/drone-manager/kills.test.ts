import assert from 'node:assert/strict';
import test from 'node:test';
import { leakCheck } from '../../support/leak-check.js';
import { codeOf, farmOf, Host, inFolder, leader } from './hosts.js';

leakCheck();

test('a kill that did not reach its drone goes with no refresh, and is sent once the process is seen again', async () => {
  const host = new Host('one');
  const pid = host.run('/results/1/pid');
  await using farm = await farmOf([host]);
  const { manager } = farm;
  manager.killProcess({ hostname: 'one', pid });
  host.drone.misbehave('refuse');
  manager.copyResultsOnDrone(host.drone, '/a', '/b'); // the drone is found out by this
  await manager.executeActions();
  await manager.executeActions();
  host.drone.behave();
  await manager.executeActions();
  assert.deepEqual(host.drone.kills, [], 'not known yet to be the same');
  await manager.refresh();
  assert.deepEqual(host.drone.kills, []);
  await manager.executeActions();
  await manager.executeActions();
  assert.deepEqual(host.drone.kills, [{ hostname: 'one', pid }]);
});

test('a kill that did not reach its drone does not hit another process that has got the pid', async () => {
  const infos: string[] = [];
  const log = { debug() {}, info: (message: string) => infos.push(message), warn() {}, error() {} };
  const host = new Host('one');
  const pid = host.run('/results/1/pid');
  await using farm = await farmOf([host], { log });
  const { manager } = farm;
  manager.killProcess({ hostname: 'one', pid });
  host.drone.misbehave('refuse');
  await manager.executeActions();
  host.drone.behave();
  host.processes = [leader(pid, '/results/2/pid')];
  await manager.refresh();
  await manager.executeActions();
  assert.deepEqual(host.drone.kills, []);
  assert.ok(
    infos.some(line =>
      line.endsWith(`process ${String(pid)} of one was not killed: it is gone, or its pid belongs to another process`),
    ),
  );
});

test('what has outlived the leader of its group is still the same to a kill', async () => {
  const host = new Host('one');
  const pid = host.run('/results/1/pid');
  host.processes.push({ pid: pid + 1, ppid: pid, pgid: pid, comm: 'job', args: 'job one' });
  await using farm = await farmOf([host]);
  const { manager } = farm;
  manager.killProcess({ hostname: 'one', pid });
  host.vanish(pid);
  await manager.refresh();
  await manager.executeActions();
  assert.deepEqual(host.drone.kills, [{ hostname: 'one', pid }]);
});

test('a command that no refresh has seen yet is known by its pidfile to a kill', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  const { manager } = farm;
  manager.executeCommand(['job'], inFolder('/results/1'));
  const [started] = (await manager.executeActions()).started;
  assert.ok(started);
  manager.killProcess({ hostname: 'one', pid: started.pid });
  await manager.refresh();
  await manager.executeActions();
  assert.deepEqual(host.drone.kills, [{ hostname: 'one', pid: started.pid }]);
});

test('a bad pid is refused at once', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host]);
  assert.throws(() => {
    farm.manager.killProcess({ hostname: 'one', pid: 1 });
  }, codeOf('ERR_INVALID_ARG'));
  await farm.manager.executeActions();
  assert.deepEqual(host.drone.kills, []);
});
