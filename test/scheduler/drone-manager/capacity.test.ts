import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { LocalDrone } from 'drone-task-queue';
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

test('without room for a command no drone is chosen, and the command is refused with the load', async () => {
  await using farm = await farmWith({ full: [2, 2], half: [1, 2], none: [0, 0] });
  const { manager } = farm;
  assert.equal(manager.chooseDrone(2), undefined);
  assert.equal(manager.chooseDrone(1, { allowedHostnames: ['none'] }), undefined);
  assert.throws(() => manager.executeCommand(['make', 'all'], { ...inFolder('/results/1'), processCount: 2 }), {
    code: 'ERR_NO_ROOM',
    message: /^no drone has room for make all, which counts for 2: half runs 1 of maxProcesses 2; try again/,
  });
  assert.deepEqual(manager.pidfiles, []);
  assert.equal(manager.executeCommand(['make'], inFolder('/results/1')).hostname, 'half');
});

test('a command that counts for no process starts on a full drone, too', async () => {
  await using farm = await farmWith({ full: [2, 2] });
  const { manager } = farm;
  assert.equal(manager.chooseDrone(0)?.hostname, 'full');
  assert.equal(manager.executeCommand(['tidy'], { ...inFolder('/results/1'), processCount: 0 }).hostname, 'full');
});

test('a drone runs one process at once by default, and without limit with Infinity', async () => {
  const drone = new LocalDrone();
  assert.equal(drone.maxProcesses, 1);
  await using farm = await farmWith({ small: [0, 10], endless: [50, Infinity], other: [0, Infinity] });
  const { manager } = farm;
  assert.equal(manager.maxRunnableProcesses(), Infinity);
  assert.equal(manager.chooseDrone(1000)?.hostname, 'endless');
  const id = { hostname: 'endless', path: '/results/1/pid' };
  manager.registerPidfile(id);
  assert.equal(manager.droneOf(id)?.hostname, 'endless');
});

test('a drone is for its users, and for callers without a user only if it is for everyone', async () => {
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

test('a refused command says of each drone why it cannot run it', async () => {
  await using farm = await farmWith({ busy: [2, 2], off: [0, 2], own: [0, 2], broken: [0, 2], other: [0, 2] });
  const { manager, hosts } = farm;
  const host = (name: string): Host => hosts.find(({ drone }) => drone.hostname === name)!;
  host('off').drone.enabled = false;
  host('own').drone.allowedUsers = new Set(['ann']);
  host('broken').broken.set('refresh', new Error('disk on fire'));
  await manager.refresh();
  host('busy').drone.activeProcesses = 2;
  const allowedHostnames = ['busy', 'off', 'own', 'broken'];
  const run = (options: object) => () =>
    manager.executeCommand(['make'], { ...inFolder('/results/1'), allowedHostnames, ...options });
  const lines = (message: string): string[] => message.split('\n');
  assert.throws(run({ user: 'bob' }), ({ code, message }: NodeJS.ErrnoException) => {
    const [first, ...others] = lines(message);
    assert.deepEqual(
      [code, first],
      [
        'ERR_NO_ROOM',
        'no drone has room for make, which counts for 1: busy runs 2 of maxProcesses 2; try again when a command has ended, or raise maxProcesses',
      ],
    );
    assert.match(others.join('\n'), /^Drone own: user "bob" is not in its allowedUsers$/m);
    return true;
  });
  host('busy').drone.enabled = false;
  assert.throws(run({}), ({ code, message }: NodeJS.ErrnoException) => {
    assert.equal(code, 'ERR_NO_USABLE_DRONE');
    const [first, busy, off, own, broken, other] = lines(message);
    assert.equal(first, 'no drone may run make: 2 disabled, 1 not for this user, 1 stale, 1 not in allowedHostnames');
    assert.deepEqual(
      [busy, off, own, other],
      [
        'Drone busy: disabled',
        'Drone off: disabled',
        'Drone own: has allowedUsers, and no user is given',
        'Drone other: not in allowedHostnames',
      ],
    );
    assert.match(broken ?? '', /^Drone broken: stale since \d{4}-\d\d-\d\dT[\d:.]+Z: .*disk on fire/);
    return true;
  });
});

test('a refused command counts all drones and names ten', async () => {
  const hosts = Array.from({ length: 12 }, (_, at) => new Host(`h${String(at)}`));
  await using farm = await farmOf(hosts, {}, false);
  assert.throws(
    () => farm.manager.executeCommand(['make'], inFolder('/results/1')),
    ({ message }: Error) => {
      const lines = message.split('\n');
      assert.deepEqual(
        [lines.length, lines[0], lines[1], lines.at(-1)],
        [12, 'no drone may run make: 12 not refreshed yet', 'Drone h0: not refreshed yet', 'and 2 more'],
      );
      return true;
    },
  );
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
        const from = mayUse.filter(each => count === 0 || hasRoom(each));
        const chosen = manager.chooseDrone(count, { user: 'ann', allowedHostnames: allowed });
        const host = hosts.find(({ drone }) => drone === chosen);
        if (!host) {
          assert.equal(from.length, 0);
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
