/** Commands without a registered pidfile, also where two drones are one machine. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { leakCheck } from '../../support/leak-check.js';
import { type Farm, farmOf, Host, inFolder, leader } from './hosts.js';

leakCheck();

/** Two names of one machine, and another machine. */
async function farmOfTwoNames(): Promise<Farm & { one: Host; alias: Host; other: Host }> {
  const [one, alias, other] = [new Host('one'), new Host('one.example.com'), new Host('other')];
  // Whatever runs on the machine is seen by both.
  Object.defineProperty(alias, 'processes', { get: () => one.processes });
  return { ...(await farmOf([one, alias, other])), one, alias, other };
}

const orphansOf = ({ manager }: Farm): string[] =>
  manager.orphanedProcesses().map(({ pid, pidfile }) => `${pidfile.hostname}:${pidfile.path} ${String(pid)}`);

test('a command is not an orphan under another name of its machine, in whatever state it is', async () => {
  await using farm = await farmOfTwoNames();
  const { manager, one } = farm;
  const id = manager.executeCommand(['job'], { ...inFolder('/results/1'), allowedHostnames: ['one'] });
  await manager.executeActions();
  await manager.refresh();
  assert.equal(manager.pidfileState(id)?.kind, 'running');
  assert.deepEqual(orphansOf(farm), []);
  // The other name's process list may be older than the pidfile.
  const pid = one.processes[0]?.pid ?? 0;
  one.finish(id.path, 0);
  one.processes.push(leader(pid, id.path));
  await manager.refresh();
  assert.equal(manager.pidfileState(id)?.kind, 'finished');
  assert.deepEqual(orphansOf(farm), []);
});

test('a command that another process has started is not an orphan before it is seen, under any name', async () => {
  await using farm = await farmOfTwoNames();
  const { manager, one } = farm;
  const path = '/results/1/pid';
  one.run(path);
  await manager.refresh();
  manager.registerPidfile({ hostname: 'one', path });
  assert.equal(manager.pidfileState({ hostname: 'one', path })?.kind, 'unsure');
  assert.deepEqual(orphansOf(farm), []);
  await manager.refresh();
  assert.deepEqual(orphansOf(farm), []);
});

test('an orphan of a machine with two names is listed once', async () => {
  await using farm = await farmOfTwoNames();
  const { manager, one } = farm;
  const pid = one.run('/results/1/pid');
  await manager.refresh();
  assert.deepEqual(orphansOf(farm), [`one:/results/1/pid ${String(pid)}`]);
});

test('a second process with the pidfile of a running command is an orphan, on its machine and on another', async () => {
  await using farm = await farmOfTwoNames();
  const { manager, one, other } = farm;
  const path = '/results/1/pid';
  one.run(path, 2000);
  manager.registerPidfile({ hostname: 'one', path });
  one.processes.push(leader(3000, path));
  other.processes.push(leader(4000, path));
  await manager.refresh();
  assert.deepEqual(orphansOf(farm), [`one:${path} 3000`, `other:${path} 4000`]);
});
