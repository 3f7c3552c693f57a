import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { leakCheck } from '../../support/leak-check.js';
import { codeOf, type Farm, farmOf, Host, inFolder, names } from './hosts.js';

leakCheck();

/** Hosts with this many processes of their own, and so many at most. */
async function farmWith(
  loads: Readonly<Record<string, readonly [active: number, max: number]>>,
): Promise<Farm & { hosts: readonly Host[] }> {
  const hosts = Object.entries(loads).map(([name, [, max]]) => new Host(name, max));
  const farm = await farmOf(hosts);
  for (const { drone } of hosts) drone.activeProcesses = loads[drone.hostname]?.[0] ?? 0;
  return { ...farm, hosts };
}

test('the least loaded drone with room is chosen, and of equally loaded ones the larger', async () => {
  await using farm = await farmWith({ half: [2, 4], small: [0, 2], large: [0, 10] });
  const { manager } = farm;
  assert.equal(manager.chooseDrone(1)?.hostname, 'large');
  assert.equal(manager.chooseDrone(10)?.hostname, 'large');
  assert.equal(manager.chooseDrone(2, { allowedHostnames: ['half', 'small'] })?.hostname, 'small');
});

test('a less loaded drone without room is passed over', async () => {
  await using farm = await farmWith({ small: [0, 2], large: [5, 10] });
  const { manager } = farm;
  assert.equal(manager.chooseDrone(3)?.hostname, 'large');
});

test('where no drone has room the least loaded takes it, and the log has an error', async () => {
  const errors: string[] = [];
  const log = { debug() {}, info() {}, warn() {}, error: (message: string) => errors.push(message) };
  const hosts = [new Host('full', 2), new Host('half', 2)] as const;
  await using farm = await farmOf(hosts, { log });
  const { manager } = farm;
  hosts[0].drone.activeProcesses = 2;
  hosts[1].drone.activeProcesses = 1;
  assert.equal(manager.chooseDrone(5)?.hostname, 'half');
  assert.match(errors.join('\n'), /^drone_manager: no drone has room for 5 processes; half takes them, with 1 of 2$/);
});

test('a drone that may run nothing counts as full, and is the last resort', async () => {
  await using farm = await farmWith({ none: [0, 0], one: [0, 1] });
  const { manager } = farm;
  assert.equal(manager.chooseDrone(1)?.hostname, 'one');
  assert.equal(manager.chooseDrone(1, { allowedHostnames: ['none'] })?.hostname, 'none');
});

test('a drone is for its users, and for those who ask as nobody only if it is for everyone', async () => {
  await using farm = await farmWith({ open: [5, 10], own: [0, 10] });
  const { manager, hosts } = farm;
  for (const { drone } of hosts) if (drone.hostname === 'own') drone.allowedUsers = new Set(['ann']);
  assert.equal(manager.chooseDrone(1, { user: 'ann' })?.hostname, 'own');
  assert.equal(manager.chooseDrone(1, { user: 'bob' })?.hostname, 'open');
  assert.equal(manager.chooseDrone(1)?.hostname, 'open');
  assert.equal(manager.maxRunnableProcesses('ann'), 10);
  assert.equal(manager.maxRunnableProcesses('bob'), 5);
});

test('null allows every hostname, an empty set none', async () => {
  await using farm = await farmWith({ one: [0, 4], two: [1, 4] });
  const { manager } = farm;
  assert.equal(manager.chooseDrone(1, { allowedHostnames: null })?.hostname, 'one');
  assert.equal(manager.chooseDrone(1, { allowedHostnames: new Set(['two']) })?.hostname, 'two');
  assert.equal(manager.chooseDrone(1, { allowedHostnames: new Set() }), undefined);
  assert.equal(manager.maxRunnableProcesses(null, null), 4);
  assert.equal(manager.maxRunnableProcesses(null, new Set(['two'])), 3);
  assert.equal(manager.maxRunnableProcesses(null, []), 0);
});

test('an over-full drone makes no negative room', async () => {
  await using farm = await farmWith({ over: [9, 4] });
  const { manager } = farm;
  assert.equal(manager.maxRunnableProcesses(), 0);
});

test('a disabled drone takes no work, and no drone does before the first refresh', async () => {
  const host = new Host('one');
  await using farm = await farmOf([host], {}, false);
  const { manager } = farm;
  assert.equal(manager.chooseDrone(1), undefined);
  await manager.refresh();
  assert.equal(manager.chooseDrone(1), host.drone);
  host.drone.enabled = false;
  assert.equal(manager.chooseDrone(1), undefined);
  assert.throws(() => manager.executeCommand(['job'], inFolder('/results/1')), codeOf('ERR_NO_USABLE_DRONE'));
  assert.equal(manager.maxRunnableProcesses(), 0);
});

test('choosing takes nothing away: the same question has the same answer', async () => {
  await using farm = await farmWith({ one: [0, 4], two: [1, 4] });
  const { manager } = farm;
  assert.equal(manager.chooseDrone(4)?.hostname, 'one');
  assert.equal(manager.chooseDrone(4)?.hostname, 'one');
  assert.deepEqual(names(manager.usable), ['one', 'two']);
});

test('bad choices are refused by name', async () => {
  await using farm = await farmWith({ one: [0, 4] });
  const { manager } = farm;
  const choose = (choice: object) => () => manager.chooseDrone(1, choice);
  assert.throws(choose({ allowedHostnames: 'one' }), /allowedHostnames is 'one', expected a Set or list/);
  assert.throws(choose({ user: 7 }), /user is 7, expected a string or null/);
  assert.throws(choose({ users: 'ann' }), /unknown option 'users' \(did you mean 'user'\?\)/);
  assert.throws(() => manager.chooseDrone(-1), /processCount is -1/);
});

test('whatever the loads, what is chosen is what the rule says', async () => {
  const load = fc.record({ active: fc.nat(6), max: fc.nat(5), user: fc.constantFrom(null, 'ann', 'bob') });
  const hosts = ['a', 'b', 'c', 'd'].map(name => new Host(name));
  await using farm = await farmOf(hosts);
  const { manager } = farm;
  fc.assert(
    fc.property(
      fc.array(load, { minLength: 4, maxLength: 4 }),
      fc.nat(4),
      fc.subarray(['a', 'b', 'c', 'd']),
      (loads, count, allowed) => {
        loads.forEach(({ active, max, user }, at) => {
          Object.assign(hosts[at]?.drone ?? {}, {
            activeProcesses: active,
            maxProcesses: max,
            allowedUsers: user && new Set([user]),
          });
        });
        const mayUse = hosts.filter(({ drone }) => allowed.includes(drone.hostname) && drone.usableBy('ann'));
        const used = ({ drone }: Host): number =>
          drone.maxProcesses === 0 ? 1 : drone.activeProcesses / drone.maxProcesses;
        const hasRoom = ({ drone }: Host): boolean => drone.activeProcesses + count <= drone.maxProcesses;
        const withRoom = mayUse.filter(hasRoom);
        const from = withRoom.length > 0 ? withRoom : mayUse;
        const chosen = manager.chooseDrone(count, { user: 'ann', allowedHostnames: allowed });
        const host = hosts.find(({ drone }) => drone === chosen);
        if (!host) {
          assert.equal(mayUse.length, 0);
          return;
        }
        assert.ok(from.includes(host));
        assert.ok(
          from.every(
            other =>
              used(host) < used(other) ||
              (used(host) === used(other) && host.drone.maxProcesses >= other.drone.maxProcesses),
          ),
        );
      },
    ),
  );
});
