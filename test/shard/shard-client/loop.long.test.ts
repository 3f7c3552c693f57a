/** The loop of heartbeats: its pauses, what it survives, what ends it, and what it reports. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { test } from 'node:test';
import {
  events,
  HeartbeatError,
  type HeartbeatErrorCode,
  ShardClient,
  type ShardClientOptions,
} from 'drone-task-queue/shard';
import { type Clock, events as schedulerEvents } from 'drone-task-queue/scheduler';
import { Gate } from 'drone-task-queue/testing';
import { sql } from 'kysely';
import { leakCheck } from '../../support/leak-check.js';
import { startPostgres } from '../../support/postgres.js';
import { addRows, entry, type Farm, host, job, openFarm, rowsOf } from '../farm.js';
import { idsOf, ScriptedLink, Told } from '../scripted-link.js';

leakCheck();

/** Waits for nothing, and knows how long it would have. */
class ImpatientClock implements Clock {
  readonly pausesMs: number[] = [];
  #nowMs = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, fn: () => void): ReturnType<Clock['setTimer']> {
    this.pausesMs.push(delayMs);
    const immediate = setImmediate(() => {
      this.#nowMs += delayMs;
      fn();
    });
    return {
      cancel: () => {
        clearImmediate(immediate);
      },
      ref: () => undefined,
      unref: () => undefined,
    };
  }
}

function client(farm: Farm, link: ScriptedLink, options: Partial<ShardClientOptions> = {}): ShardClient {
  return new ShardClient(farm, link, {
    shardHostname: 'shard4',
    signals: false,
    stopGraceMs: Infinity, // an ImpatientClock would not wait for the last heartbeat
    random: () => 0.5,
    ...options,
  });
}

function failure(code: HeartbeatErrorCode): HeartbeatError {
  return new HeartbeatError(code, `because of ${code}`);
}

/** Fails as told, and then ends the loop. */
function scriptOf(codes: readonly (HeartbeatErrorCode | 'well')[], end: () => void): ScriptedLink {
  const left = [...codes];
  return new ScriptedLink(() => {
    const code = left.shift();
    if (left.length === 0) end();
    if (code !== undefined && code !== 'well') throw failure(code);
    return {};
  });
}

test('while heartbeats fail the pause doubles up to its limit, and is the usual one again when they go well', async () => {
  await using farm = await openFarm({ memory: true });
  const clock = new ImpatientClock();
  const down = 'ERR_MASTER_UNREACHABLE';
  const codes = ['well', down, down, down, down, down, 'well', down, 'well'] as const;
  const link = scriptOf(codes, () => void shard.close());
  const shard = client(farm, link, { clock, pauseMs: 1000, maxBackoffMs: 6000 });
  await shard.loop();
  assert.deepEqual(clock.pausesMs, [1000, 1000, 2000, 4000, 6000, 6000, 1000, 1000]);
  assert.deepEqual([shard.heartbeats, shard.failuresInARow], [3, 0]);
});

test('a pause is up to a tenth longer or shorter by chance, and never shorter than it was asked for by the back-off', async () => {
  await using farm = await openFarm({ memory: true });
  const clock = new ImpatientClock();
  const rolls = [0, 0.999_999, 0.5];
  const link = scriptOf(['well', 'well', 'ERR_MASTER_TIMEOUT', 'well'], () => void shard.close());
  const shard = client(farm, link, {
    clock,
    pauseMs: 10_000,
    maxBackoffMs: 5,
    random: () => rolls.shift() ?? 0.5,
  });
  await shard.loop();
  assert.deepEqual(clock.pausesMs.map(Math.round), [9000, 11_000, 10_000]);
});

test('a loop ends when its lifetime is over', async () => {
  await using farm = await openFarm({ memory: true });
  const clock = new ImpatientClock();
  const link = new ScriptedLink();
  const shard = client(farm, link, { clock, pauseMs: 1000, lifetimeMs: 2500 });
  await shard.loop();
  assert.equal(link.packets.length, 3);
});

test('failures are counted by their codes, and told once for each change', async () => {
  await using farm = await openFarm({ memory: true });
  const told = new Told();
  const codes = [
    'ERR_MASTER_TIMEOUT',
    'ERR_MASTER_TIMEOUT',
    'ERR_MASTER_HTTP',
    'well',
    'well',
    'ERR_MASTER_HTTP',
  ] as const;
  const link = scriptOf(codes, () => void shard.close());
  const shard = client(farm, link, { clock: new ImpatientClock(), log: told.log, stats: told.stats });
  await shard.loop();
  const failed = 'shard_client: the heartbeat failed: because of';
  assert.deepEqual(told.lines, [
    `error ${failed} ERR_MASTER_TIMEOUT`,
    `error ${failed} ERR_MASTER_HTTP`,
    'info shard_client: heartbeats succeed again, after 3 failures',
    `error ${failed} ERR_MASTER_HTTP`,
  ]);
  const well = 'shard_client: heartbeat: 0 of 0 jobs uploaded, 0 records imported';
  assert.deepEqual(told.details, [failed + ' ERR_MASTER_TIMEOUT', well, well]);
  assert.deepEqual(Object.fromEntries(told.counters), {
    'drone_task_queue.shard_client.starts': 1,
    'drone_task_queue.shard_client.heartbeat_failures.ERR_MASTER_TIMEOUT': 2,
    'drone_task_queue.shard_client.heartbeat_failures.ERR_MASTER_HTTP': 2,
  });
});

/** Of all that the type has: the compiler looks after that. */
const FAILURES: Readonly<Record<HeartbeatErrorCode, true>> = {
  ERR_MASTER_UNREACHABLE: true,
  ERR_MASTER_TIMEOUT: true,
  ERR_MASTER_HTTP: true,
  ERR_REPLY_MALFORMED: true,
  ERR_REPLY_TOO_LARGE: true,
  ERR_REPLY_SCHEMA: true,
  ERR_LINK_CLOSED: true,
};

test('a heartbeat that fails, of whatever kind, is counted as that, settles nothing and ends no loop', async () => {
  await using farm = await openFarm({ memory: true });
  await addRows(farm, {
    farm_shard: [{ id: 4, hostname: 'shard4' }],
    farm_job: [job(10)],
    farm_queue_entry: [entry(100, 10, { status: 'Completed', complete: 1 })],
  });
  const kinds = Object.keys(FAILURES) as HeartbeatErrorCode[];
  const told = new Told();
  const link = scriptOf([...kinds, 'well'], () => void shard.close());
  const shard = client(farm, link, { clock: new ImpatientClock(), log: told.log, stats: told.stats });
  await shard.loop();
  assert.equal(link.packets.length, kinds.length + 1);
  for (const { jobs } of link.packets) assert.deepEqual(idsOf(jobs), [10]);
  assert.deepEqual(
    [...told.counters].filter(([name]) => name.includes('failures')),
    kinds.map(kind => [`drone_task_queue.shard_client.heartbeat_failures.${kind}`, 1]),
  );
  assert.equal(told.lines.filter(line => line.startsWith('error ')).length, kinds.length);
});

test('without a pause of its own a loop heartbeats once a minute, and while that fails every five at the least often', async () => {
  await using farm = await openFarm({ memory: true });
  const clock = new ImpatientClock();
  const down = 'ERR_MASTER_UNREACHABLE';
  const link = scriptOf(['well', down, down, down, down, 'well'], () => void shard.close());
  const shard = client(farm, link, { clock });
  await shard.loop();
  assert.deepEqual(clock.pausesMs, [60_000, 60_000, 120_000, 240_000, 300_000]);
});

test('a master that was down and then refuses the token is reported twice', async () => {
  await using farm = await openFarm({ memory: true });
  const told = new Told();
  const statuses = [503, 503, 401];
  const link = new ScriptedLink(() => {
    const status = statuses.shift();
    throw new HeartbeatError('ERR_MASTER_HTTP', `HTTP ${String(status)}`, { status });
  });
  const shard = client(farm, link, { log: told.log });
  for (let time = 0; time < 3; time++) assert.equal(await shard.doHeartbeat(), false);
  const failed = 'shard_client: the heartbeat failed: HTTP';
  assert.deepEqual(told.lines, [`error ${failed} 503`, `error ${failed} 401`]);
});

test('a heartbeat tells how long it took, how large it was and what it brought, as metrics and as an event', async () => {
  await using farm = await openFarm({ memory: true });
  const told = new Told();
  const shard = { id: 4, hostname: 'shard4' };
  const job10 = { ...job(10, { shard_id: 4 }), shard, entries: [entry(100, 10)] };
  const link = new ScriptedLink(() => ({ hosts: [host(1), host(2), { id: 3 }], jobs: [job10] }));
  const heard: Record<string, unknown>[] = [];
  const listener = (message: unknown): number => heard.push({ ...(message as object) });
  subscribe(events.heartbeatEnd, listener);
  const one = client(farm, link, { name: 'one', stats: told.stats });
  await one.doHeartbeat();
  link.answer = () => {
    throw failure('ERR_REPLY_MALFORMED');
  };
  await one.doHeartbeat();
  unsubscribe(events.heartbeatEnd, listener);

  assert.deepEqual([...told.timings].sort(), ['drone_task_queue.one.heartbeat', 'drone_task_queue.one.process']);
  const gauges = Object.fromEntries(told.gauges);
  const {
    'drone_task_queue.one.request_size': request,
    'drone_task_queue.one.response_size': response,
    ...rest
  } = gauges;
  assert.ok(request !== undefined && request > 0 && response !== undefined && response > 0);
  assert.deepEqual(rest, {
    'drone_task_queue.one.hosts_received': 3,
    'drone_task_queue.one.jobs_received': 1,
    'drone_task_queue.one.job_keyvals_received': 0,
  });
  const common = { client: 'one', shardHostname: 'shard4', uploadedJobs: 0, settledJobs: 0 };
  const [first, second] = heard.map(({ tookMs, error, ...facts }) => {
    assert.equal(typeof tookMs, 'number');
    return { ...facts, code: (error as HeartbeatError | undefined)?.code };
  });
  assert.deepEqual(first, { ...common, takenRecords: 3, badRecords: 1, failed: false, code: undefined });
  assert.deepEqual(second, { ...common, takenRecords: 0, badRecords: 0, failed: true, code: 'ERR_REPLY_MALFORMED' });
});

test('a reply of a version that this shard does not know is a failure, and nothing of it is taken over', async () => {
  await using farm = await openFarm({ memory: true });
  const link = new ScriptedLink(() => ({ version: 2, hosts: [host(1)] }));
  const told = new Told();
  const shard = client(farm, link, { log: told.log });
  assert.equal(await shard.doHeartbeat(), false);
  assert.match(told.lines.join(), /a reply of version 2, but this shard's version is 1/);
  assert.equal(shard.failuresInARow, 1);
  link.answer = () => ({ hosts: [] });
  await shard.doHeartbeat();
  assert.deepEqual(link.packet.knownHosts, []);
});

test('a defect ends the loop: it is counted, and told to onFatal before the loop rejects', async () => {
  await using farm = await openFarm({ memory: true });
  const told = new Told();
  const defect = new TypeError('undefined is not a function');
  const link = new ScriptedLink(() => {
    throw defect;
  });
  const mails: unknown[] = [];
  const shard = client(farm, link, {
    log: told.log,
    stats: told.stats,
    onFatal: async error => {
      await farm.read(async () => mails.push(error));
      throw new Error('no post today');
    },
  });
  await assert.rejects(shard.loop(), error => error === defect);
  assert.deepEqual(mails, [defect]);
  assert.equal(told.counters.get('drone_task_queue.shard_client.uncaught_exceptions'), 1);
  assert.equal(told.lines.at(-1), 'error shard_client: onFatal threw Error: no post today');
  link.answer = () => {
    void shard.close();
    return {};
  };
  await shard.loop();
});

test('a loop over a store that is closed ends, and one that has lost its database does not', async () => {
  const farm = await openFarm({ memory: true });
  await farm.close();
  await assert.rejects(client(farm, new ScriptedLink()).loop(), { code: 'ERR_STORE_CLOSED' });

  await using server = await startPostgres();
  await using far = await openFarm({ url: await server.database() });
  const link = new ScriptedLink();
  const told = new Told();
  const shard = client(far, link, { stats: told.stats });
  assert.equal(await shard.doHeartbeat(), true);
  await server.signal('SIGKILL');
  assert.equal(await shard.doHeartbeat(), false);
  await server.restart();
  assert.equal(await shard.doHeartbeat(), true);
  assert.equal(told.counters.get('drone_task_queue.shard_client.heartbeat_failures.ERR_STORE_LOST'), 1);
});

test('what the database itself says against all records ends neither the loop nor is it said of the records', async () => {
  await using server = await startPostgres();
  await using farm = await openFarm({ url: await server.database() });
  const change = (...statements: string[]): Promise<void> =>
    farm.readWrite('change', async tx => {
      for (const statement of statements) await sql.raw(statement).execute(tx);
    });
  await change(
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$`,
    'CREATE TRIGGER full_disk BEFORE INSERT ON farm_host FOR EACH ROW EXECUTE FUNCTION refuse()',
  );
  const hosts = Array.from({ length: 30 }, (_, at) => host(at + 1));
  const told = new Told();
  await change('CREATE TRIGGER full_disk BEFORE INSERT ON farm_job_keyval FOR EACH ROW EXECUTE FUNCTION refuse()');
  const jobKeyvals = [{ id: 1, job_id: 9, key: 'build', value: 'R1' }];
  const part = new ScriptedLink(() => ({ jobs: [job(10, { parent_job_id: 9 })], jobKeyvals }));
  assert.equal(await client(farm, part).doHeartbeat(), false);
  assert.deepEqual(await rowsOf(farm, 'farm_job'), [], 'known here, its parent’s keyvals would never come again');
  const shard = client(farm, new ScriptedLink(() => ({ hosts })), { log: told.log, stats: told.stats });
  assert.equal(await shard.doHeartbeat(), false);
  assert.deepEqual(told.lines, ['error shard_client: the heartbeat failed: no space left']);
  assert.deepEqual(Object.fromEntries(told.counters), {
    'drone_task_queue.shard_client.heartbeat_failures.ERR_STORE': 1,
  });
  await change('DROP TRIGGER full_disk ON farm_host');
  assert.equal(await shard.doHeartbeat(), true);
  assert.equal((await rowsOf(farm, 'farm_host')).length, hosts.length);
  const jobs = Array.from({ length: 30 }, (_, at) => ({ ...job(at + 1), shard_id: 99 }));
  const wrong = client(farm, new ScriptedLink(() => ({ jobs: [...jobs, job(50)] })), { stats: told.stats });
  assert.equal(await wrong.doHeartbeat(), true, 'however many point to what is not there');
  assert.equal(told.counters.get('drone_task_queue.shard_client.deserialization_failures'), jobs.length);
  assert.deepEqual(
    (await rowsOf(farm, 'farm_job')).map(({ id }) => id),
    [50],
  );
});

test('a loop that is asked for while an abandoned heartbeat has not ended is refused, and that is nothing to mail', async () => {
  await using farm = await openFarm({ memory: true });
  const gate = new Gate();
  const link = new ScriptedLink(async () => {
    await gate.wait();
    return {};
  });
  const mails: unknown[] = [];
  const told = new Told();
  const signals = ['SIGUSR2'] as const;
  const shard = client(farm, link, { signals, onFatal: error => mails.push(error), stats: told.stats });
  const loop = shard.loop();
  await gate.arrived();
  for (let time = 0; time < 2; time++) process.emit('SIGUSR2', 'SIGUSR2');
  await loop;
  await assert.rejects(shard.loop(), { code: 'ERR_TICK_LOOP_RUNNING' });
  assert.deepEqual(mails, []);
  assert.equal(told.counters.get('drone_task_queue.shard_client.uncaught_exceptions'), undefined);
  const ended = new Promise<void>(resolve => {
    const listener = (): void => {
      unsubscribe(events.heartbeatEnd, listener);
      resolve();
    };
    subscribe(events.heartbeatEnd, listener);
  });
  gate.open();
  await ended;
});

test('a client that is closed ends its heartbeat first, and does not start again', async () => {
  await using farm = await openFarm({ memory: true });
  const gate = new Gate();
  const link = new ScriptedLink(async () => {
    await gate.wait();
    return { hosts: [host(1)] };
  });
  const shard = client(farm, link);
  const loop = shard.loop();
  await gate.arrived();
  await assert.rejects(shard.loop(), { code: 'ERR_TICK_LOOP_RUNNING' });
  await assert.rejects(
    farm.readWrite('wait', () => shard.close()),
    { code: 'ERR_CONTEXT_SWITCH' },
  );
  const down = shard.close();
  gate.open();
  await Promise.all([down, loop]);
  assert.equal(shard.heartbeats, 1);
  await shard.loop();
  await shard.close();
  assert.equal(link.packets.length, 1);
  await shard.doHeartbeat();
  assert.deepEqual(link.packet.knownHosts, [{ id: 1, status: 'Ready' }]);
});

test('a client that is closed abandons a heartbeat without end after stopGraceMs', async () => {
  await using farm = await openFarm({ memory: true });
  const gate = new Gate();
  const link = new ScriptedLink(async (_packet, signal) => {
    await Promise.race([gate.wait(), once(signal, 'abort')]);
    throw signal.reason;
  });
  const shard = client(farm, link, { stopGraceMs: 10 });
  const loop = shard.loop();
  await gate.arrived();
  await Promise.all([shard.close(), loop]);
  assert.deepEqual([shard.heartbeats, link.packets.length], [0, 1]);
  gate.open();
});

test('a pause of an hour ends when the client is closed, and when its signal is aborted', async () => {
  await using farm = await openFarm({ memory: true });
  const stop = new AbortController();
  const ends: [options: Partial<ShardClientOptions>, end: (shard: ShardClient) => void][] = [
    [{}, shard => void shard.close()],
    [
      { signal: stop.signal },
      () => {
        stop.abort();
      },
    ],
  ];
  for (const [options, end] of ends) {
    const shard = client(farm, new ScriptedLink(), { pauseMs: 3_600_000, ...options });
    const ended = new Promise<void>(resolve => {
      const listener = (): void => {
        unsubscribe(schedulerEvents.tickEnd, listener);
        resolve();
      };
      subscribe(schedulerEvents.tickEnd, listener);
    });
    const loop = shard.loop();
    await ended;
    setImmediate(end, shard);
    await loop;
    assert.equal(shard.heartbeats, 1);
  }
});

test('a heartbeat from elsewhere takes the place of the loop’s own', async () => {
  await using farm = await openFarm({ memory: true });
  const gate = new Gate();
  const clock = new ImpatientClock();
  const link = new ScriptedLink(async () => {
    await gate.wait();
    return {};
  });
  const shard = client(farm, link, { clock, lifetimeMs: 100, pauseMs: 60 });
  const own = shard.doHeartbeat();
  await gate.arrived();
  await shard.loop();
  gate.open();
  assert.equal(await own, true);
  assert.equal(link.packets.length, 1);
});
