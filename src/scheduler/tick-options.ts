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
import { invalidArgument } from '../option/invalid-argument.js';
import { Option, readOptions, type Settings, type Table } from '../option/option-table.js';
import { type Log, logOption } from '../report/log.js';
import { type StatsTarget, metricsOption } from '../report/metrics-target.js';

/** The argument of a tick. */
export interface TickContext {
  /** Number of the tick, from 1. A second `run` continues the count. */
  readonly tick: number;
  /**
   * Aborts, with a `TickLoopError` as its reason, when the loop no longer waits for the tick: at a second process
   * signal, or `stopGraceMs` after the loop was asked to stop. Pass it to `execute` and everything else for which the
   * tick waits.
   */
  readonly signal: AbortSignal;
}

/** One pass of the scheduler. The loop awaits a promise and ignores its value. */
export type Tick = (context: TickContext) => unknown;

/** Options of a tick loop. */
export interface TickLoopOptions {
  /**
   * From the end of a tick to the start of the next, ms; or a function that the loop calls after each tick, for example
   * to wait longer while ticks fail. Default 1000; 0 still yields to the event loop.
   */
  pauseMs?: number | (() => number) | undefined;
  /**
   * From the start of a tick to the start of the next, ms, instead of a pause. After a tick that took longer, the next
   * one starts at once; missed starts are skipped. Default: `pauseMs` applies.
   */
  everyMs?: number | undefined;
  /**
   * How long the current tick may continue after the loop was asked to stop, ms. Then its signal aborts and `run`
   * resolves. Choose a shorter time than your service manager waits before it kills the process. `Infinity` waits for
   * the tick. Default 30,000.
   */
  stopGraceMs?: number | undefined;
  /**
   * Lengthens or shortens each pause (`everyMs`, if set) at random by up to this share: 0.1 is 10 percent either way.
   * Keeps many schedulers from running in lockstep. Default 0.
   */
  jitter?: number | undefined;
  /** After a tick that threw: continue with the next one, or reject `run` with the error. Default `continue`. */
  onError?: 'continue' | 'stop' | undefined;
  /**
   * Called but not awaited for each tick that threw, after the error was counted and logged. Its own errors are only
   * logged.
   */
  onTickError?: ((error: unknown, tick: number) => unknown) | undefined;
  /**
   * Process signals that stop the loop: the first one after the current tick, the second one at once. The loop listens
   * only during `run`. False for none. Default `['SIGINT', 'SIGTERM']`.
   */
  signals?: readonly NodeJS.Signals[] | false | undefined;
  /** Stops the loop when it aborts, as `stop` does: after the current tick, or at once during a pause. */
  signal?: AbortSignal | undefined;
  /** The maximum number of ticks of one `run`. Default `Infinity`. */
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
  /** Source of jitter: returns numbers from 0 to less than 1. Default `Math.random`. */
  random?: (() => number) | undefined;
}

/** Also checks what a `pauseMs` function returns. */
export const PAUSE_MS = milliseconds({ from: 0 }).required;

/** No process can listen to SIGKILL and SIGSTOP. */
const isSignal = (name: unknown): boolean =>
  typeof name === 'string' && Object.hasOwn(constants.signals, name) && name !== 'SIGKILL' && name !== 'SIGSTOP';

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
  everyMs: milliseconds({ above: 0 }),
  stopGraceMs: milliseconds({ from: 0, to: Infinity }).or(30_000),
  jitter: number({ from: 0, to: 1 }).or(0),
  onError: oneOf('continue', 'stop').or('continue'),
  onTickError: func<NonNullable<TickLoopOptions['onTickError']>>('(error, tick)'),
  signals: checked<Signals | false>(
    'a list of signals that can be handled, or false',
    signals => signals === false || (Array.isArray(signals) && signals.every(isSignal)),
  )
    .as((signals): Signals => signals || [])
    .orElse('SIGINT, SIGTERM', (): Signals => ['SIGINT', 'SIGTERM']),
  signal: abortSignal(),
  maxTicks: countLimit().or(Infinity),
  stats: metricsOption(),
  log: logOption(),
  name: text().or('tick_loop'),
  clock: clockOption(),
  random: randomOption(),
} satisfies Table<TickLoopOptions>;

export type TickSettings = Settings<typeof TICK_LOOP>;

/** Throws a TypeError (`ERR_INVALID_ARG`), also for both `pauseMs` and `everyMs`. */
export function readTickLoop(options: TickLoopOptions): TickSettings {
  const settings = readOptions(TICK_LOOP, options);
  if (options.everyMs === undefined || options.pauseMs === undefined) return settings;
  throw invalidArgument('pauseMs', options.pauseMs, 'no value together with everyMs, which replaces it');
}
