/** The options of a tick loop. */
import { constants } from 'node:os';
import { type Clock, clockOption } from '../wait/clock.js';
import {
  abortSignal,
  checked,
  countLimit,
  func,
  milliseconds,
  number,
  oneOf,
  randomOption,
  text,
} from '../option/option-kinds.js';
import { Option, type Settings, type Table } from '../option/option-table.js';
import { type Log, logOption } from '../report/log.js';
import { type StatsTarget, statsOption } from '../report/stats.js';

/** What a tick is given. */
export interface TickContext {
  /** Number of the tick, from 1; it goes on counting when `run` is called again. */
  readonly tick: number;
  /**
   * Aborted when the loop is stopped at once (second signal), with a `TickLoopError` as its reason. Hand it to `execute`
   * and whatever else the tick waits for: nobody waits for the tick any more.
   */
  readonly signal: AbortSignal;
}

/** One pass of the scheduler. A promise is awaited; what it gives is ignored. */
export type Tick = (context: TickContext) => unknown;

/** How a tick loop goes. */
export interface TickLoopOptions {
  /**
   * From the end of a tick to the start of the next, ms; or a function that is asked at the end of each tick that another
   * one follows, to wait longer while ticks fail, say. Default 1000; 0 still lets the event loop turn.
   */
  pauseMs?: number | (() => number) | undefined;
  /**
   * Makes each pause longer or shorter by a random part of it, up to this one: 0.1 for 10 percent either way, so that
   * many schedulers do not fall into step. From 0 to 1; default 0.
   */
  jitter?: number | undefined;
  /** After a tick that threw: go on with the next, or end `run` with what it threw. Default `continue`. */
  onError?: 'continue' | 'stop' | undefined;
  /**
   * Told of each tick that threw, after it was counted and logged. What the listener itself throws, or rejects with, is
   * logged and changes nothing; nobody waits for it.
   */
  onTickError?: ((error: unknown, tick: number) => unknown) | undefined;
  /**
   * Process signals that stop the loop: the first one after the current tick, the second one at once. Listened to only
   * while `run` is on. False for none. Default `['SIGINT', 'SIGTERM']`.
   */
  signals?: readonly NodeJS.Signals[] | false | undefined;
  /** Stops the loop when aborted, as `stop` does: after the current tick, promptly in a pause. */
  signal?: AbortSignal | undefined;
  /** How many ticks a `run` does, if nothing stops it before. Default `Infinity`. */
  maxTicks?: number | undefined;
  /**
   * Where metrics go: the timing `drone_task_queue.<name>.tick` and the counter `drone_task_queue.<name>.tick_failures`.
   * Default: nowhere.
   */
  stats?: StatsTarget | undefined;
  /** Default: silent. */
  log?: Log | undefined;
  /** For log lines, events and metrics. Default `tick_loop`. */
  name?: string | undefined;
  /** Default: real time. */
  clock?: Clock | undefined;
  /** For jitter: from 0 to less than 1. Default `Math.random`. */
  random?: (() => number) | undefined;
}

/** What a function for `pauseMs` returns is checked by this, too. */
export const PAUSE_MS = milliseconds({ from: 0 }).required;

/** Signals that no process can listen to. */
const DEAF_TO: ReadonlySet<unknown> = new Set(['SIGKILL', 'SIGSTOP']);

const isSignal = (name: unknown): boolean =>
  typeof name === 'string' && Object.hasOwn(constants.signals, name) && !DEAF_TO.has(name);

type Signals = readonly NodeJS.Signals[];

export const TICK_LOOP = {
  pauseMs: new Option<number | (() => number), (() => number) | undefined>(
    `${PAUSE_MS.expected}, or a function`,
    (pauseMs, field) => {
      if (pauseMs === undefined || typeof pauseMs === 'function') return pauseMs as (() => number) | undefined;
      const fixedMs = PAUSE_MS.read(pauseMs, field);
      return () => fixedMs;
    },
  ).orElse('1,000', () => () => 1_000),
  jitter: number({ from: 0, to: 1 }).or(0),
  onError: oneOf('continue', 'stop').or('continue'),
  onTickError: func<NonNullable<TickLoopOptions['onTickError']>>('(error, tick)'),
  signals: checked<Signals | false>(
    'a list of signals that can be listened to, or false',
    signals => signals === false || (Array.isArray(signals) && signals.every(isSignal)),
  )
    .as((signals): Signals => signals || [])
    .orElse('SIGINT, SIGTERM', (): Signals => ['SIGINT', 'SIGTERM']),
  signal: abortSignal(),
  maxTicks: countLimit().or(Infinity),
  stats: statsOption(),
  log: logOption(),
  name: text().or('tick_loop'),
  clock: clockOption(),
  random: randomOption(),
} satisfies Table<TickLoopOptions>;

export type TickSettings = Settings<typeof TICK_LOOP>;
