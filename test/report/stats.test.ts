import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import test from 'node:test';
import { inspect } from 'node:util';
import StatsD from 'hot-shots';
import { BoundedNames, metricName, openStats, type StatsClient, type StatsTarget } from '../../src/report/stats.js';
import { leakCheck } from '../support/leak-check.js';

leakCheck();

const noProblem = (error: unknown): void => {
  assert.fail(`a problem was reported: ${String(error)}`);
};

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

/** A UDP port that nobody listens on. */
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

test('names beyond the bound become other, known ones stay', () => {
  const bounded = new BoundedNames(2);
  assert.deepEqual(
    ['a', 'b.c', 'd', 'a', 'b.c', 'b c', 'e'].map(name => bounded.of(name)),
    ['a', 'b_c', 'other', 'a', 'b_c', 'b_c', 'other'],
  );
  const usual = new BoundedNames();
  const seen = new Set(Array.from({ length: 1500 }, (_, index) => usual.of(`drone${String(index)}`)));
  assert.equal(seen.size, 1001);
});

test('a hot-shots client that was given gets every metric and is not closed', async () => {
  const client = new StatsD({ mock: true, datadog: false, includeDataDogTags: false });
  const stats = openStats(client, noProblem);
  stats.timing('round', 12.5);
  stats.increment('failed');
  stats.increment('failed', 3);
  stats.gauge('in_flight', 7);
  await stats.close();
  stats.gauge('in_flight', 0);
  client.increment('still.open');
  assert.deepEqual(client.mockBuffer, ['round:12.5|ms', 'failed:1|c', 'failed:3|c', 'in_flight:7|g', 'still.open:1|c']);
  assert.equal(stats.problems, 0);
});

test('a client whose methods throw or reject costs a count, and a report at 1, 10 and 100', async () => {
  const reports: [unknown, number][] = [];
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
  const stats = openStats(client, (thrown, problems) => reports.push([thrown, problems]));
  for (let sent = 0; sent < 9; sent += 1) stats.timing('round', 1);
  stats.gauge('in_flight', 1);
  for (let sent = 0; sent < 90; sent += 1) stats.increment('failed');
  await new Promise(setImmediate);
  assert.equal(stats.problems, 100);
  assert.deepEqual(reports, [
    [error, 1],
    ['not an Error', 10],
    [error, 100],
  ]);
  await stats.close();
});

test('without a target metrics go nowhere', async () => {
  const stats = openStats(undefined, noProblem);
  stats.timing('round', 1);
  stats.increment('failed');
  stats.gauge('in_flight', 1);
  await stats.close();
  assert.equal(stats.problems, 0);
});

test('a server that was named gets all metrics under the prefix, the first ones included, by the time of close', async () => {
  const sink = new StatsSink();
  const stats = openStats({ host: '127.0.0.1', port: await sink.listen(), prefix: 'farm.east' }, noProblem);
  stats.timing('round', 3);
  stats.increment('failed');
  await stats.close();
  await stats.close();
  stats.increment('too.late');
  assert.deepEqual(await sink.received(2), ['farm.east.round:3|ms', 'farm.east.failed:1|c']);
  await sink.close();
});

test('metrics are sent without a close, as plain StatsD whatever the environment says', async () => {
  const datadog = { DD_AGENT_HOST: '203.0.113.1', DD_ENV: 'prod', DD_TAGS: 'a:b', DD_CARDINALITY: 'high' };
  Object.assign(process.env, datadog);
  const sink = new StatsSink();
  const stats = openStats({ host: '127.0.0.1', port: await sink.listen() }, noProblem);
  stats.gauge('in_flight', 4);
  assert.deepEqual(await sink.received(1), ['in_flight:4|g']);
  for (const name of Object.keys(datadog)) Reflect.deleteProperty(process.env, name);
  await stats.close();
  await sink.close();
});

test('a server may be given by a name', async () => {
  const sink = new StatsSink();
  const stats = openStats({ host: 'localhost', port: await sink.listen() }, noProblem);
  stats.increment('named');
  await stats.close();
  assert.deepEqual(await sink.received(1), ['named:1|c']);
  await sink.close();
});

test('a server that does not listen is no problem', async () => {
  const stats = openStats({ host: '127.0.0.1', port: await deadPort() }, noProblem);
  stats.increment('unheard');
  await stats.close();
  assert.equal(stats.problems, 0);
});

test('a server whose name is unknown costs a count and nothing else', async () => {
  const reports: unknown[] = [];
  const stats = openStats({ host: 'no-such-host.invalid', prefix: '' }, error => reports.push(error));
  for (let sent = 0; sent < 500; sent += 1) stats.increment('a_rather_long_name_so_that_datagrams_fill_up');
  await stats.close();
  assert.ok(stats.problems > 1, `${String(stats.problems)} problems`);
  assert.match(String(reports[0]), /no-such-host\.invalid/);
  assert.ok(reports.length < stats.problems);
});

test('more metrics than fit before the client is loaded are counted, not kept', async () => {
  const sink = new StatsSink();
  let told = 0;
  const stats = openStats({ host: '127.0.0.1', port: await sink.listen() }, () => {
    told += 1;
  });
  for (let sent = 0; sent < 1005; sent += 1) stats.increment('burst');
  assert.equal(stats.problems, 5);
  assert.equal(told, 1);
  await stats.close();
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
    assert.throws(() => openStats(target as StatsTarget, noProblem), {
      name: 'TypeError',
      code: 'ERR_INVALID_ARG',
      message: new RegExp(`^${field} is `),
    });
  });
}

test('what a client need not have is not asked for', () => {
  const smallest: StatsClient = { timing: () => undefined, increment: () => undefined, gauge: () => undefined };
  openStats(smallest, noProblem).increment('fine');
});
