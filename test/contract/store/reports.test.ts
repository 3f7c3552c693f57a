/** Reports of sections: events, metrics, log lines, and the warning of one that stays open. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { events, type Log, type StatsClient } from 'drone-task-queue/store';
import { leakCheck } from '../../support/leak-check.js';
import { until } from '../../support/until.js';
import { rejectionOf } from '../rejections.js';
import { Warnings } from './warnings.js';
import { Witness } from '../witness.js';
import { testDatabases } from './databases.js';
import { add, idsIn, openItems } from './items.js';

const databases = testDatabases();
leakCheck();

/** A metrics client that keeps what it gets. */
class Metrics implements StatsClient {
  readonly names: string[] = [];
  timing(name: string, ms: number): void {
    assert.ok(ms >= 0);
    this.names.push(name);
  }
  increment(name: string): void {
    this.names.push(name);
  }
  gauge(): void {
    assert.fail('a gauge');
  }
  /** What has come since it was asked last. */
  take(): string[] {
    return this.names.splice(0);
  }
}

for (const database of databases.all) {
  test(`${database.name}: the end of each section is reported, by name, with its time and its failure`, async () => {
    const stats = new Metrics();
    await using store = await openItems({ ...(await database.place()), name: 'my farm', stats });
    assert.deepEqual(stats.take(), ['drone_task_queue.my_farm.section.make_tables']);
    using ends = new Witness(events.sectionEnd);
    await store.readWrite('start job', async tx => {
      await add(tx, 1);
      await store.readWrite('inner', inner => add(inner, 2));
    });
    await store.read(idsIn);
    await store.read(idsIn, { name: 'due/jobs' });
    const failure = await rejectionOf(store.readWrite('fail', () => Promise.reject(new Error('as told'))));
    assert.deepEqual(
      ends.seen.map(({ store: name, section, writes, failed }) => [name, section, writes, failed]),
      [
        ['my farm', 'inner', true, false],
        ['my farm', 'start job', true, false],
        ['my farm', 'read', false, false],
        ['my farm', 'due/jobs', false, false],
        ['my farm', 'fail', true, true],
      ],
    );
    for (const { tookMs } of ends.seen) assert.ok(tookMs >= 0);
    assert.equal(ends.seen[4]?.error, failure);
    assert.ok(!('error' in (ends.seen[0] ?? {})));
    assert.deepEqual(
      stats.take().map(name => name.replace('drone_task_queue.my_farm.', '')),
      ['inner', 'start_job', 'read', 'due_jobs', 'fail'].map(name => `section.${name}`).concat('section_failures.fail'),
    );
  });

  test(`${database.name}: a section that stays open is reported once, with the place where it was opened`, async () => {
    using slow = new Witness(events.sectionSlow);
    const stats = new Metrics();
    const lines: [string, Record<string, unknown> | undefined][] = [];
    const log: Log = { debug() {}, info() {}, warn: (text, fields) => void lines.push([text, fields]), error() {} };
    const place = await database.place();
    await using store = await openItems({ ...place, slowSectionMs: 1, stats, log });
    const isLong = ({ section }: { section: string }): boolean => section === 'long';
    await store.readWrite('long', async tx => {
      await add(tx, 1);
      await slow.first(isLong);
      await idsIn(tx);
    });
    const told = slow.seen.filter(isLong);
    assert.equal(told.length, 1);
    const { openedAt, tookMs, waits, writes, store: name } = told[0]!;
    assert.match(openedAt, /reports\.test\.ts:\d+:\d+$/);
    assert.ok(tookMs > 0);
    assert.deepEqual([writes, waits, name], [true, false, 'store']);
    const ours = lines.filter(([text]) => text.includes("'long'"));
    assert.equal(ours.length, 1);
    assert.match(ours[0]![0], /^store: the readWrite section 'long' \(opened at .* has been open for \d+ ms$/);
    assert.equal(ours[0]![1]?.['openedAt'], openedAt);
    assert.equal(stats.names.filter(metric => metric === 'drone_task_queue.store.section_slow.long').length, 1);

    await store.read(() => slow.first(({ section }) => section === 'look'), { name: 'look' });
  });

  test(`${database.name}: a client that throws and a log that throws change nothing`, async () => {
    const fail = (): never => {
      throw new Error('as told');
    };
    using slow = new Witness(events.sectionSlow);
    using warnings = new Warnings();
    await using store = await openItems({
      ...(await database.place()),
      slowSectionMs: 1,
      stats: { timing: fail, increment: fail, gauge: fail },
      log: { debug: fail, info: fail, warn: fail, error: fail },
    });
    await store.readWrite('slow', async tx => {
      await slow.first(({ section }) => section === 'slow');
      await add(tx, 1);
    });
    await until(() => warnings.codes.includes('DRONE_TASK_QUEUE_LOG'));
    assert.deepEqual(await store.read(idsIn), [1]);
  });
}

test('the warning of slow sections is off in production, and where it is said to be', async () => {
  using slow = new Witness(events.sectionSlow);
  const before = process.env['NODE_ENV'];
  process.env['NODE_ENV'] = 'production';
  try {
    await using production = await openItems({ memory: true });
    await using told = await openItems({ memory: true, slowSectionMs: 1, name: 'told' });
    await production.read(async () => {
      await told.read(() => slow.first(({ store }) => store === 'told'));
    });
  } finally {
    if (before === undefined) delete process.env['NODE_ENV'];
    else process.env['NODE_ENV'] = before;
  }
  assert.ok(slow.seen.every(({ store }) => store === 'told'));
});
