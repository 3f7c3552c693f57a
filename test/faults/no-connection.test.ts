/** Fault 1: no connection at all. */
import assert from 'node:assert/strict';
import { SshDrone } from 'drone-task-queue';
import { leakCheck } from '../support/leak-check.js';
import { assertFailure } from './expected.js';
import { fault } from './fault.js';
import { Fleet } from './fleet.js';

leakCheck();

const CONNECT_MS = 1000;
const ROW = {
  row: 1,
  sees: '`unreachable`, phase `connect`, with the system’s error code; all calls `notStarted` and back',
  within: 'connect timeout',
  withinMs: CONNECT_MS,
};

fault(
  { ...ROW, fault: 'connection refused', injected: 'a TCP proxy in front of sshd that stops listening' },
  async watch => {
    await using fleet = await Fleet.start();
    await using proxy = await fleet.proxy();
    await proxy.refuse(true);
    const drone = new SshDrone('refused', await fleet.behind(proxy));
    const calls = [drone.queueCall('run', 'echo one'), drone.queueCall('run', 'echo two')];
    const failure = await fleet.fails(drone, watch);
    assertFailure(drone, failure, {
      kind: 'unreachable',
      phase: 'connect',
      code: 'ECONNREFUSED',
      says: /connection refused \(ECONNREFUSED\)/,
      notStarted: calls,
      back: calls,
    });
    await proxy.restore();
    const results = await fleet.recovers(drone);
    assert.deepEqual(
      calls.map(call => call.valueIn(results).stdout),
      ['one\n', 'two\n'],
    );
  },
);

const NOWHERE = [
  {
    fault: 'no route to the host',
    injected: 'a multicast address, to which no TCP connection has a route',
    host: '224.0.0.1',
    code: 'ENETUNREACH',
    says: /\(ENETUNREACH\)/,
  },
  {
    fault: 'the name does not resolve',
    injected: 'a name with a label of 64 letters, which DNS does not allow',
    host: `${'d'.repeat(64)}.test`,
    code: 'ENOTFOUND',
    says: /\(ENOTFOUND\)/,
  },
] as const;

for (const { host, code, says, ...row } of NOWHERE) {
  fault({ ...ROW, ...row }, async watch => {
    await using fleet = await Fleet.start();
    const drone = new SshDrone('nowhere', { ...fleet.droneOptions(), host });
    const calls = [drone.queueCall('run', 'true'), drone.queueCall('run', 'true')];
    const failure = await fleet.fails(drone, watch);
    const expected = { kind: 'unreachable', phase: 'connect', code, says, notStarted: calls, back: calls } as const;
    assertFailure(drone, failure, expected);
  });
}
