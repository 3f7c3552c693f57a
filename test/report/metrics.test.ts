import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import test from 'node:test';
import { inspect } from 'node:util';
import StatsD from 'hot-shots';
import { partLog, silentLog, type Log } from '../../src/report/log.js';
import { metricName, Metrics } from '../../src/report/metrics.js';
import { metricsOption, type StatsClient } from '../../src/report/metrics-target.js';
import { leakCheck } from '../support/leak-check.js';

leakCheck();

/** Keeps the fields of each failure that is logged, as the metrics of the part `farm` log it. */
class FailureLog {
  readonly lines: string[] = [];
  readonly failures: Record<string, unknown>[] = [];
  readonly log: Log = partLog(
    {
      ...silentLog,
      warn: (message: string, fields?: Record<string, unknown>) => {
        this.lines.push(message);
        this.failures.push({ ...fields });
      },
    },
    'farm',
    { queue: 'farm' },
  );
}

function refusingLog(): Log {
  return { ...silentLog, warn: message => assert.fail(`a failure was logged: ${message}`) };
}

/** A StatsD server that keeps every line it is sent, in order. */
class StatsSink {
  readonly lines: string[] = [];
  readonly #socket: Socket = createSocket('udp4');
  #onLine = (): void => undefined;

  constructor() {
    this.#socket.on('message', datagram => {
      this.lines.push(...datagram.toString().split('\n'));
      this.#onLine();
    });
  }

  async listen(): Promise<number> {
    this.#socket.bind(0, '127.0.0.1');
    await once(this.#socket, 'listening');
    return this.#socket.address().port;
  }

  async received(count: number): Promise<string[]> {
    while (this.lines.length < count) {
      await new Promise<void>(resolve => {
        this.#onLine = resolve;
      });
    }
    return this.lines;
  }

  async close(): Promise<void> {
    this.#socket.close();
    await once(this.#socket, 'close');
  }
}

/** A UDP port without a listener. */
async function deadPort(): Promise<number> {
  const sink = new StatsSink();
  const port = await sink.listen();
  await sink.close();
  return port;
}

const names: { parts: string[]; name: string }[] = [
  { parts: ['thread_queue', 'round'], name: 'thread_queue.round' },
  { parts: ['web1.example.com', 'tick'], name: 'web1_example_com.tick' },
  { parts: ['a:b|c@d#e f\ng'], name: 'a_b_c_d_e_f_g' },
  { parts: ['größe', '😀'], name: 'gr__e.__' },
  { parts: ['', 'x', ''], name: '_.x._' },
  { parts: ['Keeps-this_1'], name: 'Keeps-this_1' },
  { parts: ['a'.repeat(101), 'b'], name: `${'a'.repeat(100)}.b` },
];

for (const { parts, name } of names) {
  test(`metric name parts ${JSON.stringify(parts).slice(0, 40)} make one that StatsD takes`, () => {
    assert.equal(metricName(...parts), name);
  });
}

test('beyond 1000 names, a metric of a new name is other, and known names stay', () => {
  const sent: string[] = [];
  const client: StatsClient = { timing: name => sent.push(name), increment: name => sent.push(name), gauge() {} };
  const metrics = new Metrics('farm', client, refusingLog());
  for (let drone = 0; drone < 1000; drone += 1) metrics.timing('worker', 1, `drone${String(drone)}`);
  sent.length = 0;
  metrics.timing('worker', 1, 'drone7');
  metrics.timing('worker', 1, 'drone1000');
  metrics.increment('failures', 'b.c');
  assert.deepEqual(
    sent,
    ['worker.drone7', 'worker.other', 'failures.b_c'].map(name => `drone_task_queue.farm.${name}`),
  );
});

test('a hot-shots client that was given gets every metric and is not closed', async () => {
  const client = new StatsD({ mock: true, datadog: false, includeDataDogTags: false });
  const metrics = new Metrics('farm', client, refusingLog());
  metrics.timing('round', 45.6547129999999);
  metrics.increment('failed');
  metrics.add('failed', 3);
  metrics.gauge('in_flight', 7);
  await metrics.close();
  metrics.gauge('in_flight', 0);
  client.increment('still.open');
  assert.deepEqual(client.mockBuffer, [
    'drone_task_queue.farm.round:45.655|ms',
    'drone_task_queue.farm.failed:1|c',
    'drone_task_queue.farm.failed:3|c',
    'drone_task_queue.farm.in_flight:7|g',
    'still.open:1|c',
  ]);
});

test('a client whose methods throw or reject costs a count, and a report at 1, 10 and 100', async () => {
  const error = new Error('sink is broken');
  const client = {
    timing(): void {
      throw error;
    },
    increment: () => Promise.reject(error),
    gauge(): void {
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- what a careless client throws
      throw 'not an Error';
    },
  };
  const sink = new FailureLog();
  const metrics = new Metrics('farm', client, sink.log);
  for (let sent = 0; sent < 9; sent += 1) metrics.timing('round', 1);
  metrics.gauge('in_flight', 1);
  for (let sent = 0; sent < 90; sent += 1) metrics.increment('failed');
  await new Promise(setImmediate);
  assert.deepEqual(sink.failures, [
    { queue: 'farm', problems: 1, error },
    { queue: 'farm', problems: 10, error: 'not an Error' },
    { queue: 'farm', problems: 100, error },
  ]);
  assert.deepEqual(
    sink.lines,
    ['sink is broken', 'not an Error', 'sink is broken'].map(reason => `farm: metrics sink failing: ${reason}`),
  );
  await metrics.close();
});

test('without a target metrics go nowhere', async () => {
  const metrics = new Metrics('farm', undefined, refusingLog());
  metrics.timing('round', 1);
  metrics.increment('failed');
  metrics.gauge('in_flight', 1);
  await metrics.close();
});

test('a server that was named gets all metrics under the prefix, the first ones included, by the time of close', async () => {
  const sink = new StatsSink();
  const metrics = new Metrics(
    'farm',
    { host: '127.0.0.1', port: await sink.listen(), prefix: 'farm.east' },
    refusingLog(),
  );
  metrics.timing('round', 3);
  metrics.increment('failed');
  await metrics.close();
  await metrics.close();
  metrics.increment('too.late');
  assert.deepEqual(await sink.received(2), [
    'farm.east.drone_task_queue.farm.round:3|ms',
    'farm.east.drone_task_queue.farm.failed:1|c',
  ]);
  await sink.close();
});

test('metrics are sent without a close, as plain StatsD whatever the environment says', async () => {
  const datadog = { DD_AGENT_HOST: '203.0.113.1', DD_ENV: 'prod', DD_TAGS: 'a:b', DD_CARDINALITY: 'high' };
  Object.assign(process.env, datadog);
  const sink = new StatsSink();
  const metrics = new Metrics('farm', { host: '127.0.0.1', port: await sink.listen() }, refusingLog());
  metrics.gauge('in_flight', 4);
  assert.deepEqual(await sink.received(1), ['drone_task_queue.farm.in_flight:4|g']);
  for (const name of Object.keys(datadog)) Reflect.deleteProperty(process.env, name);
  await metrics.close();
  await sink.close();
});

test('a server may be given by a name', async () => {
  const sink = new StatsSink();
  const metrics = new Metrics('farm', { host: 'localhost', port: await sink.listen() }, refusingLog());
  metrics.increment('named');
  await metrics.close();
  assert.deepEqual(await sink.received(1), ['drone_task_queue.farm.named:1|c']);
  await sink.close();
});

test('a server that does not listen does no harm', async () => {
  const metrics = new Metrics('farm', { host: '127.0.0.1', port: await deadPort() }, refusingLog());
  metrics.increment('unheard');
  await metrics.close();
});

test('a server whose name is unknown costs a count and nothing else', async () => {
  const { log, failures } = new FailureLog();
  const metrics = new Metrics('farm', { host: 'no-such-host.invalid', prefix: '' }, log);
  for (let sent = 0; sent < 500; sent += 1) metrics.increment('a_rather_long_name_so_that_datagrams_fill_up');
  await metrics.close();
  assert.match(String(failures[0]?.error), /no-such-host\.invalid/);
  assert.ok(failures.length < 4, `${String(failures.length)} failures are logged`);
});

test('more metrics than fit before the client is loaded are reported once, not kept', async () => {
  const sink = new StatsSink();
  const { log, failures } = new FailureLog();
  const metrics = new Metrics('farm', { host: '127.0.0.1', port: await sink.listen() }, log);
  for (let sent = 0; sent < 1005; sent += 1) metrics.increment('burst');
  assert.deepEqual(
    failures.map(({ problems }) => problems),
    [1],
  );
  await metrics.close();
  await sink.close();
});

const badTargets: { field: string; target: unknown }[] = [
  { field: 'stats', target: null },
  { field: 'stats', target: 'localhost:8125' },
  { field: 'stats.host', target: {} },
  { field: 'stats.host', target: { host: '' } },
  { field: 'stats.port', target: { host: 'stats', port: 0 } },
  { field: 'stats.port', target: { host: 'stats', port: '8125' } },
  { field: 'stats.port', target: { host: 'stats', port: 65536 } },
  { field: 'stats.prefix', target: { host: 'stats', prefix: 'a:b' } },
  { field: 'stats.prefix', target: { host: 'stats', prefix: 'a\n' } },
  { field: 'stats.gauge', target: { timing() {}, increment() {} } },
  { field: 'stats.increment', target: { timing() {}, increment: 1, gauge() {} } },
];

for (const { field, target } of badTargets) {
  test(`the stats target ${inspect(target)} is refused for its ${field}`, () => {
    assert.throws(() => metricsOption().read(target, 'stats'), {
      name: 'TypeError',
      code: 'ERR_INVALID_ARG',
      message: new RegExp(`^${field} is `),
    });
  });
}

test('what a client need not have is not asked for', () => {
  const smallest: StatsClient = { timing: () => undefined, increment: () => undefined, gauge: () => undefined };
  new Metrics('farm', smallest, refusingLog()).increment('fine');
});
