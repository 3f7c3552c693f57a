import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { events, TickLoop, TickLoopError, type Log, type Tick, type TickLoopOptions } from 'drone-task-queue/scheduler';
import { FakeClock, Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';

leakCheck();

/** One that the test runner does not use itself. */
const TEST_SIGNAL = 'SIGUSR2';

interface Line {
  readonly level: keyof Log;
  readonly message: string;
  readonly fields: Record<string, unknown> | undefined;
}

/** A log that keeps its lines and can be waited for. */
class LineLog implements Log {
  readonly lines: Line[] = [];
  #onLine = (): void => undefined;

  debug(message: string, fields?: Record<string, unknown>): void {
    this.#keep('debug', message, fields);
  }
  info(message: string, fields?: Record<string, unknown>): void {
    this.#keep('info', message, fields);
  }
  warn(message: string, fields?: Record<string, unknown>): void {
    this.#keep('warn', message, fields);
  }
  error(message: string, fields?: Record<string, unknown>): void {
    this.#keep('error', message, fields);
  }

  async line(count: number): Promise<Line> {
    for (;;) {
      const line = this.lines[count - 1];
      if (line !== undefined) return line;
      await new Promise<void>(resolve => {
        this.#onLine = resolve;
      });
    }
  }

  #keep(level: keyof Log, message: string, fields: Record<string, unknown> | undefined): void {
    this.lines.push({ level, message, fields });
    this.#onLine();
  }
}

/** A loop on a clock of its own that notes when its ticks start. */
function startedTicks(options: TickLoopOptions, tickMs = 0): { loop: TickLoop; clock: FakeClock; startsMs: number[] } {
  const clock = new FakeClock();
  const startsMs: number[] = [];
  const loop = new TickLoop(
    async () => {
      startsMs.push(clock.nowMs());
      if (tickMs === 0) return;
      await new Promise<void>(resolve => {
        clock.setTimer(tickMs, resolve);
      });
    },
    { clock, ...options },
  );
  return { loop, clock, startsMs };
}

const isRunningError = (error: unknown): boolean =>
  error instanceof TickLoopError && error.code === 'ERR_TICK_LOOP_RUNNING';

test('a pause of its own length for each tick is asked for when that has ended', async () => {
  const asked: number[] = [];
  const { loop, clock, startsMs } = startedTicks({
    maxTicks: 3,
    pauseMs: () => {
      asked.push(clock.nowMs());
      return asked.length * 1000;
    },
  });
  const ended = loop.run();
  await clock.advance(1000);
  await clock.advance(2000);
  await ended;
  assert.deepEqual(
    [startsMs, asked],
    [
      [0, 1000, 3000],
      [0, 1000],
    ],
  );
});

test('a loop that is stopped by the function of its pause does not pause', async () => {
  const { loop } = startedTicks({
    pauseMs: () => {
      void loop.stop();
      return 3_600_000;
    },
  });
  await loop.run();
  assert.equal(loop.ticks, 1);
});

test('a pause that cannot be ends the run with what is wrong with it', async () => {
  const given: readonly [pauseMs: () => number, error: object][] = [
    [
      () => NaN,
      { code: 'ERR_INVALID_ARG', message: /^pauseMs\(\) is NaN, expected a number of milliseconds, 0 or more/ },
    ],
    [() => assert.fail('no idea'), { message: 'no idea' }],
  ];
  for (const [pauseMs, error] of given) {
    const loop = new TickLoop(() => undefined, { pauseMs });
    await assert.rejects(loop.run(), error);
    assert.equal(loop.running, false);
  }
});

test('the first tick starts at once, each other one a pause after the end of the one before', async () => {
  const { loop, clock, startsMs } = startedTicks({ pauseMs: 700 }, 300);
  const run = loop.run();
  assert.deepEqual(startsMs, [0]);
  assert.equal(loop.lastTickTookMs, undefined);
  await clock.advance(2299);
  assert.deepEqual(startsMs, [0, 1000, 2000]);
  assert.equal(loop.ticks, 2);
  assert.equal(loop.lastTickTookMs, 300);
  await clock.advance(1);
  assert.equal(loop.ticks, 3);
  await loop.stop();
  await run;
  assert.equal(clock.timers, 0);
});

test('with everyMs ticks start in a fixed period, and after a late end at once without making up', async () => {
  const clock = new FakeClock();
  const startsMs: number[] = [];
  const tookMs = [300, 2_500, 300, 300];
  const loop = new TickLoop(
    () => {
      startsMs.push(clock.nowMs());
      return new Promise<void>(resolve => clock.setTimer(tookMs[startsMs.length - 1] ?? 0, resolve));
    },
    { clock, everyMs: 1000, maxTicks: 4 },
  );
  const run = loop.run();
  await clock.advance(10_000);
  await run;
  assert.deepEqual(startsMs, [0, 1000, 3500, 4500]);
});

test('jitter moves each start of a period, and the next ones are not moved with it', async () => {
  const parts = [1, 0, 0.5];
  const { loop, clock, startsMs } = startedTicks({
    everyMs: 1000,
    jitter: 0.1,
    random: () => parts.shift() ?? 0.5,
    maxTicks: 4,
  });
  const run = loop.run();
  await clock.advance(10_000);
  await run;
  assert.deepEqual(startsMs, [0, 1100, 1900, 3000]);
});

test('a period and a pause together are refused', () => {
  assert.throws(() => new TickLoop(() => undefined, { everyMs: 1000, pauseMs: 0 }), {
    code: 'ERR_INVALID_ARG',
    message: 'pauseMs is 0, expected no value together with everyMs, which replaces it',
  });
});

test('the pause is a second by default', async () => {
  const { loop, clock, startsMs } = startedTicks({});
  const run = loop.run();
  await clock.advance(2500);
  assert.deepEqual(startsMs, [0, 1000, 2000]);
  await loop.stop();
  await run;
});

test('jitter makes pauses longer and shorter by up to its part of them', async () => {
  const rolls = [0, 0.5, 0.75, 1];
  const { loop, clock, startsMs } = startedTicks({ pauseMs: 100, jitter: 0.2, random: () => rolls.shift() ?? 0.5 });
  const run = loop.run();
  await clock.advance(410);
  assert.deepEqual(startsMs, [0, 80, 180, 290, 410]);
  await loop.stop();
  await run;
});

test('a pause of 0 lets other work of the event loop through', async () => {
  const loop = new TickLoop(() => undefined, { pauseMs: 0 });
  const run = loop.run();
  await new Promise(setImmediate);
  await loop.stop();
  await run;
  assert.ok(loop.ticks >= 1);
});

test('a tick that overruns is waited for, however late it is', async () => {
  const clock = new FakeClock();
  const inTick = new Gate();
  let going = 0;
  let mostGoing = 0;
  const loop = new TickLoop(
    async () => {
      going += 1;
      mostGoing = Math.max(mostGoing, going);
      await inTick.wait();
      going -= 1;
    },
    { clock, pauseMs: 10, maxTicks: 3 },
  );
  const run = loop.run();
  await clock.advance(1000);
  assert.equal(loop.ticks, 0);
  inTick.open();
  await clock.advance(1000);
  await run;
  assert.equal(mostGoing, 1);
  assert.equal(loop.ticks, 3);
});

test('a second run is refused while the first is on, inside a tick too', async () => {
  const inTick = new Gate();
  let fromInside: unknown;
  const loop: TickLoop = new TickLoop(
    async () => {
      fromInside = await loop.run().catch((error: unknown) => error);
      await inTick.wait();
    },
    { maxTicks: 1 },
  );
  assert.equal(loop.running, false);
  const run = loop.run();
  assert.equal(loop.running, true);
  await inTick.arrived();
  await assert.rejects(loop.run(), isRunningError);
  assert.ok(isRunningError(fromInside));
  inTick.open();
  await run;
  assert.equal(loop.running, false);
});

test('stop waits for the current tick and no pause follows', async () => {
  const clock = new FakeClock();
  const inTick = new Gate();
  const loop = new TickLoop(() => inTick.wait(), { clock });
  const run = loop.run();
  let stopped = false;
  const stop = loop.stop().then(() => {
    stopped = true;
  });
  await clock.advance(5000);
  assert.equal(stopped, false);
  inTick.open();
  await Promise.all([stop, run, loop.stop()]);
  assert.equal(loop.ticks, 1);
  assert.equal(clock.timers, 0);
});

test('stop ends a pause without waiting for it', async () => {
  const { loop, clock } = startedTicks({ pauseMs: 1e9 });
  const run = loop.run();
  await clock.advance(1);
  assert.equal(clock.timers, 1);
  await loop.stop();
  await run;
  assert.equal(clock.timers, 0);
  assert.equal(loop.ticks, 1);
});

test('stop called inside a tick stops after it', async () => {
  const loop: TickLoop = new TickLoop(() => void loop.stop());
  await loop.run();
  assert.equal(loop.ticks, 1);
});

test('stop on a loop that is not running changes nothing', async () => {
  const loop = new TickLoop(() => undefined, { maxTicks: 1 });
  await loop.stop();
  await loop.run();
  await loop.stop();
  assert.equal(loop.ticks, 1);
});

test('maxTicks counts per run, and ticks are numbered on', async () => {
  const numbers: number[] = [];
  const loop = new TickLoop(({ tick }) => numbers.push(tick), { maxTicks: 2, pauseMs: 0 });
  await loop.run();
  await loop.run();
  assert.deepEqual(numbers, [1, 2, 3, 4]);
  assert.equal(loop.ticks, 4);
});

test('an aborted signal stops the loop in a pause, in a tick, and before the first', async () => {
  const inPause = new AbortController();
  const paused = startedTicks({ pauseMs: 1e9, signal: inPause.signal });
  const pausedRun = paused.loop.run();
  await paused.clock.advance(1);
  inPause.abort();
  await pausedRun;
  assert.equal(paused.loop.ticks, 1);

  const inTick = new AbortController();
  let tickSignal: AbortSignal | undefined;
  const ticking = new TickLoop(
    ({ signal }) => {
      tickSignal = signal;
      inTick.abort();
    },
    { signal: inTick.signal },
  );
  await ticking.run();
  assert.equal(ticking.ticks, 1);
  assert.equal(tickSignal?.aborted, false);

  await ticking.run();
  assert.equal(ticking.ticks, 1);
});

const thrown: { name: string; value: unknown; line: RegExp; tick: Tick }[] = [
  { name: 'an Error', value: new RangeError('too far') },
  { name: 'a string', value: 'just text' },
  { name: 'undefined', value: undefined },
  { name: 'null', value: null },
  { name: 'an object without a prototype', value: Object.create(null) as unknown },
].flatMap(({ name, value }) => {
  const line = value instanceof Error ? /tick 1 threw RangeError: too far$/ : /tick 1 threw /;
  return [
    {
      name: `${name}, synchronously`,
      value,
      line,
      tick: () => {
        throw value;
      },
    },
    { name: `${name}, as a rejection`, value, line, tick: () => Promise.reject(value) },
  ];
});

for (const { name, value, line, tick } of thrown) {
  test(`a tick that throws ${name} is reported, and the loop goes on`, async () => {
    const log = new LineLog();
    const told: unknown[] = [];
    const loop = new TickLoop(context => (context.tick === 1 ? tick(context) : undefined), {
      log,
      maxTicks: 2,
      name: 'farm',
      onTickError: (error, number) => told.push([error, number]),
      pauseMs: 0,
    });
    await loop.run();
    assert.equal(loop.ticks, 2);
    assert.equal(loop.failedTicks, 1);
    assert.deepEqual(told, [[value, 1]]);
    assert.equal(log.lines.length, 1);
    assert.equal(log.lines[0]?.level, 'error');
    assert.match(log.lines[0].message, /^farm: /);
    assert.match(log.lines[0].message, line);
    assert.equal(log.lines[0].fields?.error, value);
  });

  test(`a tick that throws ${name} ends run with just that when asked to`, async () => {
    const loop = new TickLoop(tick, { onError: 'stop' });
    const given = await loop.run().then(
      () => assert.fail('it must reject'),
      (error: unknown) => ({ error }),
    );
    assert.equal(given.error, value);
    assert.equal(loop.running, false);
    assert.equal(loop.failedTicks, 1);
  });
}

test('stop does not reject when the last tick does', async () => {
  const inTick = new Gate();
  const loop = new TickLoop(() => inTick.wait().then(() => Promise.reject(new Error('last'))), { onError: 'stop' });
  const run = loop.run();
  const stop = loop.stop();
  inTick.open();
  await assert.rejects(run, /last/);
  await stop;
});

for (const { name, onTickError } of [
  {
    name: 'throws',
    onTickError: (): never => {
      throw new Error('bad listener');
    },
  },
  { name: 'rejects', onTickError: () => Promise.reject(new Error('bad listener')) },
]) {
  test(`an onTickError that ${name} is logged and breaks nothing`, async () => {
    const log = new LineLog();
    const loop = new TickLoop(() => Promise.reject(new Error('bad tick')), {
      log,
      maxTicks: 2,
      onTickError,
      pauseMs: 0,
    });
    await loop.run();
    assert.equal(loop.failedTicks, 2);
    assert.deepEqual(
      log.lines.map(line => line.message.replace(/.* threw /, '')),
      ['Error: bad tick', 'Error: bad listener', 'Error: bad tick', 'Error: bad listener'],
    );
  });
}

test('every tick is published with its time and its error', async () => {
  const error = new Error('second tick');
  const clock = new FakeClock();
  const heard: unknown[] = [];
  const onEvent = (message: unknown, name: unknown): number => heard.push([name, message]);
  for (const name of [events.tickStart, events.tickEnd]) subscribe(name, onEvent);
  const loop = new TickLoop(
    async ({ tick }) => {
      if (tick === 2) throw error;
      await new Promise<void>(resolve => {
        clock.setTimer(40, resolve);
      });
    },
    { clock, maxTicks: 2, name: 'farm' },
  );
  const run = loop.run();
  await clock.advance(2000);
  await run;
  for (const name of [events.tickStart, events.tickEnd]) unsubscribe(name, onEvent);
  assert.deepEqual(heard, [
    ['drone-task-queue:tick.start', { loop: 'farm', tick: 1 }],
    ['drone-task-queue:tick.end', { loop: 'farm', tick: 1, tookMs: 40, failed: false }],
    ['drone-task-queue:tick.start', { loop: 'farm', tick: 2 }],
    ['drone-task-queue:tick.end', { loop: 'farm', tick: 2, tookMs: 0, failed: true, error }],
  ]);
});

test('a StatsD server that was named gets the times and failures of ticks', async () => {
  const server = createSocket('udp4').bind(0, '127.0.0.1');
  await once(server, 'listening');
  const received = once(server, 'message');
  const { loop, clock } = startedTicks(
    { name: 'night.ly', maxTicks: 1, stats: { host: '127.0.0.1', port: server.address().port } },
    25,
  );
  const run = loop.run();
  await clock.advance(25);
  await run;
  const [datagram] = (await received) as [Buffer];
  assert.equal(datagram.toString(), 'drone_task_queue.night_ly.tick:25|ms');

  const failures = once(server, 'message');
  const failing = new TickLoop(() => Promise.reject(new Error('no')), {
    clock,
    maxTicks: 1,
    stats: { host: '127.0.0.1', port: server.address().port },
  });
  await failing.run();
  const [failure] = (await failures) as [Buffer];
  assert.equal(
    failure.toString(),
    'drone_task_queue.tick_loop.tick:0|ms\ndrone_task_queue.tick_loop.tick_failures:1|c',
  );
  server.close();
  await once(server, 'close');
});

test('a metrics client and a log that throw cost a tick nothing', async () => {
  const broken = (): never => {
    throw new Error('broken');
  };
  const log = new LineLog();
  const loop = new TickLoop(() => Promise.reject(new Error('bad tick')), {
    log,
    maxTicks: 1,
    stats: { timing: broken, increment: broken, gauge: broken },
  });
  await loop.run();
  assert.deepEqual(
    log.lines.map(line => line.level),
    ['warn', 'error'],
  );
  await new TickLoop(() => undefined, {
    log: { debug: broken, info: broken, warn: broken, error: broken },
    maxTicks: 1,
  }).run();
});

test('the first process signal stops the loop after the current tick', async () => {
  const log = new LineLog();
  const inTick = new Gate();
  let tickSignal: AbortSignal | undefined;
  const loop = new TickLoop(
    ({ signal }) => {
      tickSignal = signal;
      return inTick.wait();
    },
    { log, signals: [TEST_SIGNAL, TEST_SIGNAL] },
  );
  const before = process.listenerCount(TEST_SIGNAL);
  const run = loop.run();
  assert.equal(process.listenerCount(TEST_SIGNAL), before + 1);
  process.kill(process.pid, TEST_SIGNAL);
  assert.match((await log.line(1)).message, /SIGUSR2, stopping after this tick/);
  assert.equal(loop.running, true);
  assert.equal(tickSignal?.aborted, false);
  inTick.open();
  await run;
  assert.equal(loop.ticks, 1);
  assert.equal(process.listenerCount(TEST_SIGNAL), before);
});

test('the second process signal ends run at once and aborts the signal of the tick', async () => {
  const log = new LineLog();
  const inTick = new Gate();
  let tickSignal: AbortSignal | undefined;
  const loop = new TickLoop(
    async ({ signal }) => {
      tickSignal = signal;
      await inTick.wait();
      throw new Error('left behind');
    },
    { log, onError: 'stop', signals: [TEST_SIGNAL] },
  );
  const run = loop.run();
  const stop = loop.stop();
  process.kill(process.pid, TEST_SIGNAL);
  await log.line(1);
  process.kill(process.pid, TEST_SIGNAL);
  await Promise.all([run, stop]);
  assert.equal(loop.running, false);
  assert.equal(loop.ticks, 0);
  const reason: unknown = tickSignal?.reason;
  assert.ok(reason instanceof TickLoopError);
  assert.equal(reason.code, 'ERR_TICK_LOOP_ABANDONED');
  assert.equal(process.listenerCount(TEST_SIGNAL), 0);

  await assert.rejects(loop.run(), isRunningError, 'two ticks would be going at once');
  inTick.open();
  assert.match((await log.line(3)).message, /tick 1 threw Error: left behind/);
  assert.equal(loop.ticks, 1);
  await assert.rejects(loop.run(), /left behind/, 'it can run again now');
});

for (const how of ['stop', 'signal', 'process signal'] as const) {
  test(`a tick that hangs is stopped stopGraceMs after one ${how}`, async () => {
    const clock = new FakeClock();
    const log = new LineLog();
    const controller = new AbortController();
    let tickSignal: AbortSignal | undefined;
    const loop = new TickLoop(
      ({ signal }) => {
        tickSignal = signal;
        return new Promise(() => undefined);
      },
      { clock, log, signal: controller.signal, signals: [TEST_SIGNAL] },
    );
    const run = loop.run();
    if (how === 'stop') void loop.stop();
    else if (how === 'signal') controller.abort();
    else {
      process.kill(process.pid, TEST_SIGNAL);
      await log.line(1);
    }
    await clock.advance(29_999);
    assert.equal(tickSignal?.aborted, false);
    await clock.advance(1);
    await run;
    const reason: unknown = tickSignal?.reason;
    assert.ok(reason instanceof TickLoopError);
    assert.equal(reason.code, 'ERR_TICK_LOOP_ABANDONED');
    assert.match(log.lines.at(-1)?.message ?? '', /^tick_loop: stopping at once: its tick went on for 30000 ms/);
    assert.equal(clock.timers, 0);
  });
}

test('a tick that ends within stopGraceMs is not aborted, and with Infinity none is', async () => {
  for (const stopGraceMs of [5000, Infinity]) {
    const clock = new FakeClock();
    const inTick = new Gate();
    let tickSignal: AbortSignal | undefined;
    const loop = new TickLoop(
      ({ signal }) => {
        tickSignal = signal;
        return inTick.wait();
      },
      { clock, stopGraceMs },
    );
    const run = loop.run();
    const stop = loop.stop();
    await clock.advance(stopGraceMs === Infinity ? 10_000_000 : 4999);
    inTick.open();
    await Promise.all([run, stop]);
    assert.equal(tickSignal?.aborted, false);
    assert.equal(clock.timers, 0);
  }
});

test('without signals the process is not listened to', async () => {
  const inTick = new Gate();
  const loop = new TickLoop(() => inTick.wait(), { maxTicks: 1, signals: false });
  const before = process.listenerCount('SIGTERM');
  const run = loop.run();
  assert.equal(process.listenerCount('SIGTERM'), before);
  inTick.open();
  await run;
});

for (const { mode, signals, lines } of [
  {
    mode: 'long-pause',
    signals: ['SIGTERM'],
    lines: ['pausing', 'tick_loop: SIGTERM, stopping after this tick; a second signal stops at once', 'ended after 1'],
  },
  {
    mode: 'endless-tick',
    signals: ['SIGINT', 'SIGTERM'],
    lines: [
      'ticking',
      'tick_loop: SIGINT, stopping after this tick; a second signal stops at once',
      'tick_loop: SIGTERM again, stopping at once',
      'aborted',
      'ended after 0',
    ],
  },
] as const) {
  test(`a scheduler in a ${mode} lives until it is sent ${signals.join(' and ')}, then ends by itself`, async () => {
    const program = fileURLToPath(new URL('./programs/until-signal.js', import.meta.url));
    const child = spawn(process.execPath, [program, mode], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'close');
    const seen: string[] = [];
    const unsent = [...signals];
    for await (const line of createInterface(child.stdout)) {
      seen.push(line);
      // One for the start, and the second one when the first was heard.
      const next = unsent.shift();
      if (next !== undefined) child.kill(next);
    }
    assert.deepEqual(await ended, [0, null]);
    assert.deepEqual(seen, lines);
  });
}

const badOptions: { field: string; options: unknown }[] = [
  { field: 'typeof options', options: null },
  { field: 'pauseMs', options: { pauseMs: -1 } },
  { field: 'pauseMs', options: { pauseMs: Infinity } },
  { field: 'pauseMs', options: { pauseMs: '10' } },
  { field: 'jitter', options: { jitter: 1.01 } },
  { field: 'jitter', options: { jitter: NaN } },
  { field: 'onError', options: { onError: 'ignore' } },
  { field: 'onTickError', options: { onTickError: true } },
  { field: 'signals', options: { signals: 'SIGINT' } },
  { field: 'signals', options: { signals: true } },
  { field: 'signals', options: { signals: ['SIGINT', 'SIGKILL'] } },
  { field: 'signals', options: { signals: ['toString'] } },
  { field: 'signal', options: { signal: {} } },
  { field: 'maxTicks', options: { maxTicks: 0 } },
  { field: 'maxTicks', options: { maxTicks: 1.5 } },
  { field: 'name', options: { name: '' } },
  { field: 'clock', options: { clock: Date } },
  { field: 'random', options: { random: 0.5 } },
  { field: 'log', options: { log: 'console' } },
  { field: 'stats.host', options: { stats: { port: 8125 } } },
];

for (const { field, options } of badOptions) {
  test(`a tick loop refuses ${inspect(options)} for its ${field}`, () => {
    assert.throws(() => new TickLoop(() => undefined, options as TickLoopOptions), {
      name: 'TypeError',
      code: 'ERR_INVALID_ARG',
      message: new RegExp(`^${field} is `),
    });
  });
}

test('a tick loop refuses a tick that is not a function, and takes undefined for every option', () => {
  assert.throws(() => new TickLoop('tick' as unknown as Tick), { code: 'ERR_INVALID_ARG', message: /^tick is 'tick'/ });
  const loop = new TickLoop(() => undefined, {
    pauseMs: undefined,
    jitter: undefined,
    onError: undefined,
    onTickError: undefined,
    signals: undefined,
    signal: undefined,
    maxTicks: undefined,
    stats: undefined,
    log: undefined,
    name: undefined,
    clock: undefined,
    random: undefined,
  });
  assert.equal(loop.name, 'tick_loop');
});
