/** Connections that stay warm for hours: half-open ones, reboots, silent agents, and two controllers on one drone. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { events, SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { type SshServer, startSshServer } from 'drone-task-queue/testing';
import { queues } from '../../../contract/queues.js';
import { failureOf } from '../../../contract/rejections.js';
import { Witness } from '../../../contract/witness.js';
import { allGone } from '../../../support/processes-left.js';
import { leakCheck } from '../../../support/leak-check.js';
import { startTcpProxy, type TcpProxy } from '../../../support/tcp-proxy.js';

leakCheck();

/** A connection that was silent for so long is doubted, and none is given up for its silence. */
const DOUBTFUL = { keepaliveIntervalMs: 50, keepaliveCount: Infinity };

/** Of a drone; the queue's own is how long a doubted connection may take to show that it stands. */
const LOGIN_MS = 60_000;

/** Until a connection over which nothing comes any more is doubted, and what was on its way is here. */
async function silence(): Promise<void> {
  await delay(5 * DOUBTFUL.keepaliveIntervalMs);
}

function proxyTo(server: SshServer): Promise<TcpProxy> {
  const { host = '', port = 0 } = server.droneOptions();
  return startTcpProxy({ host, port });
}

class Counter implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async make(): Promise<Counter> {
    return new Counter(await mkdtemp(join(tmpdir(), 'drone-warm-')));
  }

  /** A command that leaves a mark each time that it runs. */
  get command(): string {
    return `echo ran >> ${join(this.#folder, 'runs')}`;
  }

  async count(): Promise<number> {
    return (await readFile(join(this.#folder, 'runs'), 'utf8')).split('\n').length - 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }
}

for (const make of queues) {
  test(`${make.name}: a warm connection that is silently gone is noticed before it is used, and the call runs once`, async () => {
    await using counter = await Counter.make();
    await using server = await startSshServer();
    await using proxy = await proxyTo(server);
    await using queue = make({ ...DOUBTFUL, connectTimeoutMs: 2000 });
    const drone = new SshDrone('far', {
      ...server.droneOptions(),
      host: '127.0.0.1',
      port: proxy.port,
      connectTimeoutMs: LOGIN_MS,
    });
    await queue.call(drone, 'run', 'true');
    proxy.halfOpen();
    await silence();
    drone.queueCall('run', counter.command);
    await queue.execute([drone]);
    assert.equal(await counter.count(), 1);
    assert.equal(proxy.connections, 2);
  });

  test(`${make.name}: a doubted connection that still stands is used again`, async () => {
    await using server = await startSshServer();
    using opened = new Witness(events.linkOpen);
    await using queue = make(DOUBTFUL);
    const drone = new SshDrone('near', server.droneOptions());
    for (let round = 0; round < 3; round++) {
      await silence();
      const call = drone.queueCall('run', 'echo here');
      assert.equal(call.valueIn(await queue.execute([drone])).stdout, 'here\n');
    }
    assert.equal(opened.seen.length, 1);
  });

  test(`${make.name}: an agent behind a connection that is silently gone is in the report of close`, async () => {
    await using server = await startSshServer();
    await using proxy = await proxyTo(server);
    const queue = make();
    const far = new SshDrone('far', { ...server.droneOptions(), host: '127.0.0.1', port: proxy.port });
    const near = new SshDrone('near', server.droneOptions());
    for (const drone of [far, near]) await queue.call(drone, 'run', 'true');
    proxy.halfOpen();
    using closed = new Witness(events.linkClose);
    const { abandoned } = await queue.close();
    assert.deepEqual(
      abandoned.map(({ what, hostname }) => ({ what, hostname })),
      [{ what: 'agent', hostname: 'far' }],
    );
    const told = new Map(
      closed.seen.map(({ hostname, error }) => [hostname, (error as NodeJS.ErrnoException | undefined)?.code]),
    );
    assert.deepEqual([told.get('far'), told.get('near')], ['ERR_AGENT_ABANDONED', undefined]);
  });

  test(`${make.name}: a batch that is stopped while its connection is doubted goes back whole`, async () => {
    await using server = await startSshServer();
    await using proxy = await proxyTo(server);
    await using queue = make({ ...DOUBTFUL, connectTimeoutMs: 2000 });
    const drone = new SshDrone('far', {
      ...server.droneOptions(),
      host: '127.0.0.1',
      port: proxy.port,
      connectTimeoutMs: LOGIN_MS,
    });
    await queue.call(drone, 'run', 'true');
    proxy.halfOpen();
    await silence();
    const call = drone.queueCall('run', 'true');
    const stop = new AbortController();
    const round = queue.settle([drone], { signal: stop.signal });
    await new Promise(setImmediate);
    stop.abort();
    const failure = failureOf(await round, drone);
    assert.deepEqual([failure.kind, failure.notStarted], ['cancelled', [call]]);
    const again = await queue.execute([drone]);
    assert.equal(call.valueIn(again).exitCode, 0);
  });

  test(`${make.name}: a link that falls silent in mid-call is given up after its keepalives`, async () => {
    await using server = await startSshServer();
    await using proxy = await proxyTo(server);
    await using queue = make({ keepaliveIntervalMs: 500, keepaliveCount: 3 });
    const drone = new SshDrone('far', { ...server.droneOptions(), host: '127.0.0.1', port: proxy.port });
    const call = drone
      .with({
        onOutput: () => {
          proxy.halfOpen();
        },
      })
      .queueCall('run', 'echo started; exec sleep 60');
    const failure = failureOf(await queue.settle([drone]), drone);
    assert.deepEqual([failure.kind, failure.mayHaveRun], ['lost', [call]]);
  });

  test(`${make.name}: a batch that takes long to send is not silence`, async () => {
    await using server = await startSshServer();
    await using proxy = await proxyTo(server);
    using opened = new Witness(events.linkOpen);
    await using queue = make({ keepaliveIntervalMs: 1500, keepaliveCount: 3 });
    const drone = new SshDrone('slow', { ...server.droneOptions(), host: '127.0.0.1', port: proxy.port });
    await queue.call(drone, 'run', 'true');
    proxy.drip(1_500_000);
    const counted = await queue.call(drone, 'run', 'wc -c', { stdin: new Uint8Array(12_000_000) });
    assert.equal(counted.stdout.trim(), '12000000');
    assert.equal(opened.seen.length, 1);
  });

  test(`${make.name}: after a reboot of the drone the next round connects anew and runs each call once`, async () => {
    await using counter = await Counter.make();
    await using server = await startSshServer();
    await using proxy = await proxyTo(server);
    using closed = new Witness(events.linkClose);
    await using queue = make();
    const drone = new SshDrone('rebooted', { ...server.droneOptions(), host: '127.0.0.1', port: proxy.port });
    await queue.call(drone, 'run', 'true');
    await proxy.refuse(true);
    proxy.cut();
    await closed.first();
    const first = drone.queueCall('run', counter.command);
    const down = failureOf(await queue.settle([drone]), drone);
    assert.deepEqual([down.kind, down.notStarted], ['unreachable', [first]]);
    await proxy.restore();
    drone.queueCall('run', counter.command);
    await queue.execute([drone]);
    assert.equal(await counter.count(), 2);
  });

  test(`${make.name}: an agent that answers no pings is killed and given up though its connection stands`, async () => {
    await using server = await startSshServer();
    using closed = new Witness(events.linkClose);
    await using queue = make({ keepaliveIntervalMs: 500, keepaliveCount: 3 });
    const drone = new SshDrone('stopped', server.droneOptions());
    const agent = Number((await queue.call(drone, 'run', 'echo $PPID')).stdout);
    process.kill(agent, 'SIGSTOP');
    const { error } = await closed.first();
    assert.match(String(error), /the agent has not answered 3 pings, 500 ms apart/);
    await allGone([agent]);
    const next = Number((await queue.call(drone, 'run', 'echo $PPID')).stdout);
    assert.notEqual(next, agent);
  });

  test(`${make.name}: a stopped agent is killed when its queue closes, and is then not left behind`, async () => {
    using warnings = new Witness(events.droneWarning);
    await using server = await startSshServer();
    // Nothing runs that would need the grace: it is the time that the kill may take.
    await using queue = make({ killGraceMs: 4900 });
    const drone = new SshDrone('stopped', server.droneOptions());
    const agent = Number((await queue.call(drone, 'run', 'echo $PPID')).stdout);
    process.kill(agent, 'SIGSTOP');
    assert.deepEqual(await queue.close(), { abandoned: [] });
    await allGone([agent]);
    assert.deepEqual(warnings.seen, []);
  });

  test(`${make.name}: a drone's own keepalive is that of its agent, too`, async () => {
    await using server = await startSshServer();
    using closed = new Witness(events.linkClose);
    await using queue = make({ keepaliveIntervalMs: 3_600_000, killGraceMs: 200 });
    const own = { keepaliveIntervalMs: 200, keepaliveCount: 2 };
    const drone = new SshDrone('stopped', { ...server.droneOptions(), ...own });
    const agent = Number((await queue.call(drone, 'run', 'echo $PPID')).stdout);
    process.kill(agent, 'SIGSTOP');
    const { error } = await closed.first();
    assert.match(String(error), /the agent has not answered 2 pings, 200 ms apart/);
    await allGone([agent]);
  });

  test(`${make.name}: a connection that ends before a command is requested is replaced, and the command runs once`, async () => {
    await using counter = await Counter.make();
    await using server = await startSshServer();
    await using proxy = await proxyTo(server);
    await using queue = make();
    const address = { host: '127.0.0.1', port: proxy.port };
    const drone = new SshDrone('closing', { ...server.droneOptions(), ...address, agent: 'none' });
    await queue.call(drone, 'run', 'true');
    // What is sent from now on is lost.
    proxy.halfOpen();
    const running = queue.call(drone, 'run', counter.command);
    await silence();
    proxy.cut();
    await running;
    assert.equal(await counter.count(), 1);
    assert.equal(proxy.connections, 2);
  });

  test(`${make.name}: a stopped agent is noticed by its pings also when it is in the middle of being sent something`, async () => {
    await using server = await startSshServer();
    await using proxy = await proxyTo(server);
    await using queue = make({ keepaliveIntervalMs: 2000, keepaliveCount: 3, killGraceMs: 200 });
    const drone = new SshDrone('stopped', { ...server.droneOptions(), host: '127.0.0.1', port: proxy.port });
    const agent = Number((await queue.call(drone, 'run', 'echo $PPID')).stdout);
    proxy.drip(1_000_000);
    const before = proxy.bytes;
    // More than the window of its channel and the pipe behind it take, and half a minute on the way.
    const call = drone.queueCall('run', 'cat > /dev/null', { stdin: Buffer.alloc(32 * 1024 * 1024) });
    const round = queue.settle([drone]);
    while (proxy.bytes < before + 200_000) await delay(10);
    process.kill(agent, 'SIGSTOP');
    const failure = failureOf(await round, drone);
    assert.deepEqual([failure.kind, failure.mayHaveRun], ['lost', [call]]);
    await allGone([agent]);
  });

  test(`${make.name}: an agent that has yet to heed a cancel is sent no further batch`, async () => {
    await using server = await startSshServer();
    await using queue = make({ roundDeadlineMs: 2000, killGraceMs: 200 });
    const drone = new SshDrone('stopped', server.droneOptions());
    const agent = Number((await queue.call(drone, 'run', 'echo $PPID')).stdout);
    process.kill(agent, 'SIGSTOP');
    const first = drone.queueCall('run', 'true');
    const failure = failureOf(await queue.settle([drone]), drone);
    assert.deepEqual([failure.kind, failure.mayHaveRun], ['timeout', [first]]);
    // Its connection stands until it is held for dead, 3 s after the kill grace.
    const value = await queue.call(drone, 'run', 'echo $PPID');
    assert.notEqual(Number(value.stdout), agent);
    await allGone([agent]);
  });

  test(`${make.name}: two controllers of one drone do not disturb each other`, async () => {
    await using server = await startSshServer();
    await using first = make({ name: 'first' });
    const second = new ThreadedTaskQueue({ name: 'second', threads: 1 });
    const drone = new SshDrone('shared', server.droneOptions());
    const running = first.call(drone, 'run', 'read line; echo $line', { stdin: 'unharmed\n' });
    const agents = await Promise.all([first, second].map(queue => queue.call(drone, 'run', 'echo $PPID')));
    assert.notEqual(agents[0]?.stdout, agents[1]?.stdout);
    const doomed = second.call(drone, 'run', 'sleep 600').catch((error: unknown) => error);
    await second.close({ graceMs: 0 });
    assert.equal(((await doomed) as { kind: string }).kind, 'cancelled');
    assert.equal((await running).stdout, 'unharmed\n');
    assert.equal((await first.call(drone, 'run', 'echo $PPID')).stdout, agents[0]?.stdout);
  });
}
