/** The code of a failure's cause, without a cast. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { FakeDrone, type FakeFault, runResult, startSshServer } from 'drone-task-queue/testing';
import { type AnyDrone, type Drone, LocalDrone, SshDrone, type SshDroneOptions } from 'drone-task-queue';
import { leakCheck } from '../support/leak-check.js';
import { queues, type Queue } from './queues.js';
import { failureOf } from './rejections.js';

leakCheck();

async function codeAfter(queue: Queue, drone: AnyDrone): Promise<string | undefined> {
  const failure = failureOf(await queue.settle([drone]), drone);
  drone.clearCallQueue();
  return failure.causeCode;
}

for (const make of queues) {
  test(`${make.name}: causeCode is the code of what a call threw, and undefined without one`, async () => {
    await using queue = make();
    const drone = new FakeDrone('web1', {
      fail: (code: unknown) => {
        throw Object.assign(new Error('on purpose'), { code });
      },
    });
    for (const [code, expected] of [
      ['ENOSPC', 'ENOSPC'],
      ['ERR_MINE', 'ERR_MINE'],
      [undefined, undefined],
      [13, undefined],
    ] as const) {
      drone.queueCall('fail', code);
      assert.equal(await codeAfter(queue, drone), expected);
    }
  });

  test(`${make.name}: causeCode is the system's, ours, and after a kick-out that of the last failure`, async () => {
    await using queue = make({
      callTimeoutMs: 50,
      killGraceMs: 1,
      kickOut: { afterFailures: 1, probeEveryMs: Infinity },
    });
    const local = new LocalDrone();
    local.with({ timeoutMs: 60_000 }).queueCall('copyFileOrDirectory', '/nonexistent/file', '/tmp/nonexistent');
    assert.equal(await codeAfter(queue, local), 'ENOENT');
    const frozen = new FakeDrone('web1', { work: () => 'done' });
    frozen.misbehave('freeze');
    for (const kind of ['timeout', 'kicked-out']) {
      frozen.queueCall('work');
      const failure = failureOf(await queue.settle([frozen]), frozen);
      frozen.clearCallQueue();
      assert.deepEqual([failure.kind, failure.causeCode], [kind, 'ERR_CALL_TIMEOUT']);
    }
  });

  test(`${make.name}: a fake that refuses has the causeCode of a drone that does`, async () => {
    await using server = await startSshServer();
    await using queue = make();
    const { identity: _identity, ...options } = server.droneOptions();
    const real: readonly (readonly [FakeFault, SshDroneOptions])[] = [
      ['refuse', { ...options, port: 1 }],
      ['refuse-login', { ...options, password: 'wrong' }],
      ['refuse-host-key', { ...options, hostKeys: 'strict', knownHosts: [] }],
      ['refuse-agent', { ...server.droneOptions(), agent: 'node', agentCommand: '/nonexistent/node' }],
    ];
    const failures: Record<'fake' | 'real', unknown[]> = { fake: [], real: [] };
    for (const [fault, there] of real) {
      const fake = new FakeDrone('fake', {});
      fake.misbehave(fault);
      for (const drone of [fake, new SshDrone('real', there)]) {
        drone.queueKillProcess({ hostname: drone.hostname, pid: 4711 });
        const { kind, causeCode } = failureOf(await queue.settle([drone]), drone);
        failures[drone === fake ? 'fake' : 'real'].push([fault, kind, causeCode]);
      }
    }
    assert.deepEqual(failures.fake, failures.real);
  });

  test(`${make.name}: a fake with an async run replaces a drone, and its other methods are missing by code`, async () => {
    await using queue = make();
    const uname = async (drone: Drone): Promise<string> => (await queue.call(drone, 'run', 'uname')).stdout;
    const fake = new FakeDrone('web1', { run: async () => Promise.resolve(runResult({ stdout: 'Linux\n' })) });
    assert.equal(await uname(fake), 'Linux\n');
    fake.queueCall('initialize', '/results');
    assert.equal(await codeAfter(queue, fake), 'ERR_NO_METHOD');
  });
}
