/** What a tick loop can be told, its defaults, and the complaints about what it cannot be told. */
import { constants } from 'node:os';
import { type Clock, systemClock } from '../wait/clock.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { type Log, partLog, safeLog } from '../report/log.js';
import { checkStatsTarget, type StatsTarget } from '../report/stats.js';

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

/** The options with their defaults, checked. */
export interface TickSettings {
  /** What it gives is not checked yet: see `checkedPauseMs`. */
  readonly pauseMs: () => number;
  readonly jitter: number;
  readonly onError: 'continue' | 'stop';
  readonly onTickError: ((error: unknown, tick: number) => unknown) | undefined;
  readonly signals: readonly NodeJS.Signals[];
  readonly signal: AbortSignal | undefined;
  readonly maxTicks: number;
  readonly stats: StatsTarget | undefined;
  readonly log: Log;
  readonly name: string;
  readonly clock: Clock;
  readonly random: () => number;
}

const DEFAULT_SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];

/** Throws TypeError (`ERR_INVALID_ARG`) that names the option. */
export function readTickOptions(options: TickLoopOptions): TickSettings {
  if (typeof options !== 'object' || options === null) throw invalidArgument('options', options, 'an object');
  const { pauseMs = 1000, name = 'tick_loop' } = options;
  if (typeof pauseMs !== 'function') checkedPauseMs('pauseMs', pauseMs);
  const settings = {
    pauseMs: typeof pauseMs === 'function' ? pauseMs : () => pauseMs,
    jitter: options.jitter ?? 0,
    onError: options.onError ?? 'continue',
    onTickError: options.onTickError,
    signals: options.signals === false ? [] : (options.signals ?? DEFAULT_SIGNALS),
    signal: options.signal,
    maxTicks: options.maxTicks ?? Infinity,
    stats: options.stats,
    log: partLog(safeLog(options.log), name, { loop: name }),
    name,
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
  };
  checkSettings(settings);
  return settings;
}

function checkSettings(settings: TickSettings): void {
  const { jitter, onError, onTickError, signals, signal, maxTicks, name, clock, random } = settings;
  if (!(typeof jitter === 'number' && jitter >= 0 && jitter <= 1)) {
    throw invalidArgument('jitter', jitter, 'a number from 0 to 1');
  }
  if (onError !== 'continue' && onError !== 'stop') throw invalidArgument('onError', onError, `'continue' or 'stop'`);
  if (onTickError !== undefined && typeof onTickError !== 'function') {
    throw invalidArgument('onTickError', onTickError, 'a function (error, tick)');
  }
  checkSignals(signals);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalidArgument('signal', signal, 'an AbortSignal');
  }
  if (maxTicks !== Infinity && !(Number.isInteger(maxTicks) && maxTicks >= 1)) {
    throw invalidArgument('maxTicks', maxTicks, 'an integer of 1 or more, or Infinity');
  }
  if (typeof name !== 'string' || name === '') throw invalidArgument('name', name, 'a non-empty string');
  if (typeof clock !== 'object' || typeof clock.nowMs !== 'function' || typeof clock.setTimer !== 'function') {
    throw invalidArgument('clock', clock, 'an object with the methods nowMs and setTimer');
  }
  if (typeof random !== 'function') throw invalidArgument('random', random, 'a function');
  checkStatsTarget(settings.stats);
}

/** Throws TypeError (`ERR_INVALID_ARG`) for what is no pause. */
export function checkedPauseMs(field: string, pauseMs: unknown): number {
  if (typeof pauseMs === 'number' && pauseMs >= 0 && pauseMs < Infinity) return pauseMs;
  throw invalidArgument(field, pauseMs, 'a finite number of milliseconds, 0 or more');
}

/** Signals that no process can listen to. */
const DEAF_TO: ReadonlySet<string> = new Set(['SIGKILL', 'SIGSTOP']);

function checkSignals(signals: readonly unknown[]): void {
  if (!Array.isArray(signals)) throw invalidArgument('signals', signals, 'a list of signal names, or false');
  for (const signal of signals) {
    if (typeof signal !== 'string' || !Object.hasOwn(constants.signals, signal) || DEAF_TO.has(signal)) {
      throw invalidArgument('signals', signal, 'names of signals that can be listened to');
    }
  }
}
