/**
 * A loop is idle, ticking or pausing. `run` starts with a tick; ticks and pauses alternate until the loop
 * - is asked to stop (`stop`, the first process signal, `options.signal`, `maxTicks`, a failure with onError `stop`): the tick
 *   runs to its end, a pause ends at once, and the loop is idle;
 * - or is abandoned (the second process signal, or `stopGraceMs` after it was asked to stop): `run` settles at once.
 *   `context.signal` aborts, and the tick may go on.
 *
 * Invariants: one tick at a time, an abandoned one included, so `run` is refused until that has ended; listeners on the
 * process, and the timer that keeps it alive, exist only during `run`.
 */
import { MAX_TIMER_MS, type Timer } from '../wait/clock.js';
import { onAbort } from '../wait/abort.js';
import { summarize } from '../queue/drone/drone-error.js';
import { events, publish } from './events.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { refuseInSection } from '../wait/section-guard.js';
import { withNamedLog } from '../report/log.js';
import { Metrics } from '../report/metrics.js';
import { PAUSE_MS, readTickLoop, type Tick, type TickLoopOptions, type TickSettings } from './tick-options.js';

/**
 * A tick loop refused to run, or no longer waits for its tick.
 *
 * - `ERR_TICK_LOOP_RUNNING`: `run` was called while the loop is running, or while an abandoned tick continues. Nothing
 *   was started.
 * - `ERR_TICK_LOOP_ABANDONED`: the loop no longer waits for the tick, after a second signal or `stopGraceMs`. This is
 *   the reason of the tick's `signal`; end the tick.
 */
export class TickLoopError extends Error {
  override readonly name = 'TickLoopError';
  readonly code: 'ERR_TICK_LOOP_RUNNING' | 'ERR_TICK_LOOP_ABANDONED';

  constructor(code: TickLoopError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** One call of `run`. */
interface Run {
  readonly metrics: Metrics;
  /** Aborted when the run no longer waits for its tick. */
  readonly abandon: AbortController;
  /** Never rejects. */
  readonly settled: Promise<void>;
  stopAsked: boolean;
  /** When the next tick is due with `everyMs`. */
  dueMs: number;
  /** Ends the wait for the current tick, once the loop was asked to stop. */
  grace: Timer | undefined;
  /** Ends the current pause, if any. */
  endPause: () => void;
}

/**
 * Runs a tick repeatedly, one at a time, with a pause in between or at a fixed interval, until it is stopped.
 *
 *     const loop = new TickLoop(async ({ signal }) => {
 *       for (const drone of drones) drone.queueCall('run', 'uptime');
 *       report(await queue.execute(drones, { signal }));
 *     });
 *     await loop.run(); // until SIGINT or SIGTERM
 *     await queue.close();
 *
 * The first signal (SIGINT or SIGTERM) stops the loop after the current tick, or after `stopGraceMs` if the tick takes
 * longer; the second one stops it at once. If a tick throws, the loop logs, counts and publishes the error
 * (`events.tickEnd`), calls `onTickError` and continues unless `onError` is `stop`.
 *
 * Metrics, under `drone_task_queue.<loop>`:
 *
 * - `tick` (timing): one tick.
 * - `tick_failures` (counter): ticks that threw.
 */
export class TickLoop {
  readonly #tick: Tick;
  readonly #settings: TickSettings;
  #run: Run | undefined;
  #ticking = false;
  #ticks = 0;
  #failedTicks = 0;
  #lastTickTookMs: number | undefined;

  /** Throws a TypeError (`ERR_INVALID_ARG`) that names the invalid option. Nothing starts before `run`. */
  constructor(tick: Tick, options: TickLoopOptions = {}) {
    if (typeof tick !== 'function') throw invalidArgument('tick', tick, 'a function');
    this.#tick = tick;
    this.#settings = withNamedLog(readTickLoop(options), 'loop');
  }

  /** The loop's name in log lines, events and metrics. */
  get name(): string {
    return this.#settings.name;
  }

  /** True during `run`. */
  get running(): boolean {
    return this.#run !== undefined;
  }

  /** Ticks that have ended since the loop was created, including failed ones. */
  get ticks(): number {
    return this.#ticks;
  }

  /** Ticks that threw. */
  get failedTicks(): number {
    return this.#failedTicks;
  }

  /** Duration of the last tick, ms; undefined before the first has ended. */
  get lastTickTookMs(): number | undefined {
    return this.#lastTickTookMs;
  }

  /**
   * Runs ticks until the loop is stopped; the first tick starts at once. Keeps the process alive until then. It may be
   * called again.
   *
   * Resolves when the loop has been stopped or has done its `maxTicks`. After a second signal, or `stopGraceMs` after
   * the loop was asked to stop, it resolves at once; the current tick may continue, and the loop logs what it throws.
   *
   * Rejects with the error of a tick if `onError` is `stop`; with the error of your `pauseMs`, or a TypeError
   * (`ERR_INVALID_ARG`) if that function does not return a number of milliseconds; with a TickLoopError
   * (`ERR_TICK_LOOP_RUNNING`) while the loop runs, or if the tick of an earlier run has not ended.
   */
  async run(): Promise<void> {
    refuseInSection(`run of the loop '${this.name}'`);
    if (this.#run !== undefined) throw new TickLoopError('ERR_TICK_LOOP_RUNNING', `${this.name} is running already`);
    if (this.#ticking) {
      const message = `${this.name} was stopped at once and its tick has not ended yet`;
      throw new TickLoopError('ERR_TICK_LOOP_RUNNING', message);
    }

    let settle = (): void => undefined;
    const run: Run = {
      metrics: new Metrics(this.name, this.#settings.stats, this.#settings.log),
      abandon: new AbortController(),
      settled: new Promise(resolve => {
        settle = resolve;
      }),
      stopAsked: false,
      dueMs: this.#settings.clock.nowMs(),
      grace: undefined,
      endPause: () => undefined,
    };
    this.#run = run;
    // Without it the process would end silently in a tick that waits for nothing that keeps the process alive.
    const hold = setInterval(() => undefined, MAX_TIMER_MS);
    const stopListening = this.#listen(run);
    try {
      const abandoned = new Promise<void>(resolve => onAbort(run.abandon.signal, () => resolve()));
      await Promise.race([this.#loop(run).finally(() => run.metrics.close()), abandoned]);
    } finally {
      stopListening();
      run.grace?.cancel();
      clearInterval(hold);
      // Only an abandoned loop has left them open. `run` does not wait for them, and closing never fails.
      void run.metrics.close();
      this.#run = undefined;
      settle();
    }
  }

  /**
   * Stops the loop after the current tick, at the latest after `stopGraceMs`, or at once during a pause. Resolves when
   * `run` has settled, even if `run` rejects, and at once if the loop is not running. Do not await it inside a tick,
   * because it waits for the tick.
   */
  async stop(): Promise<void> {
    refuseInSection(`stop of the loop '${this.name}'`);
    if (this.#run === undefined) return;
    this.#askToStop(this.#run);
    await this.#run.settled;
  }

  async #loop(run: Run): Promise<void> {
    const { maxTicks, signal } = this.#settings;
    if (signal?.aborted === true) return;
    for (let done = 1; ; done += 1) {
      await this.#runTick(run);
      if (run.stopAsked || done >= maxTicks) return;
      await this.#pause(run);
      if (run.stopAsked) return;
    }
  }

  /** Rejects only to end the run. */
  async #runTick(run: Run): Promise<void> {
    const { clock, name, onError } = this.#settings;
    const tick = this.#ticks + 1;
    publish(events.tickStart, () => ({ loop: name, tick }));
    const startMs = clock.nowMs();
    this.#ticking = true;
    let failure: { readonly error: unknown } | undefined;
    try {
      await this.#tick({ tick, signal: run.abandon.signal });
    } catch (error) {
      failure = { error };
    }
    this.#ticking = false;
    this.#ticks = tick;
    const tookMs = clock.nowMs() - startMs;
    this.#lastTickTookMs = tookMs;
    run.metrics.timing('tick', tookMs);
    if (failure !== undefined) this.#reportFailure(run, tick, tookMs, failure.error);
    publish(events.tickEnd, () => ({ loop: name, tick, tookMs, failed: failure !== undefined, ...failure }));
    if (failure !== undefined && onError === 'stop') throw failure.error;
  }

  #reportFailure(run: Run, tick: number, tookMs: number, error: unknown): void {
    const { log, onTickError } = this.#settings;
    this.#failedTicks += 1;
    run.metrics.increment('tick_failures');
    log.error(`tick ${String(tick)} threw ${summarize(error)}`, { tick, tookMs, error });
    if (onTickError === undefined) return;
    const onListenerError = (thrown: unknown): void => {
      log.error(`onTickError threw ${summarize(thrown)}`, { tick, error: thrown });
    };
    try {
      Promise.resolve(onTickError(error, tick)).catch(onListenerError);
    } catch (thrown) {
      onListenerError(thrown);
    }
  }

  async #pause(run: Run): Promise<void> {
    const { clock } = this.#settings;
    const thisPauseMs = this.#pauseMs(run);
    if (run.stopAsked) return; // by the function of `pauseMs`
    await new Promise<void>(resolve => {
      const timer = clock.setTimer(thisPauseMs, resolve);
      run.endPause = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  /** With `everyMs`, jitter moves a single start, and a tick that ends late starts the next one at once and delays the others. */
  #pauseMs(run: Run): number {
    const { clock, everyMs, jitter, pauseMs, random } = this.#settings;
    const shift = jitter * (2 * random() - 1);
    if (everyMs === undefined) return PAUSE_MS.read(pauseMs(), 'pauseMs()') * (1 + shift);
    const nowMs = clock.nowMs();
    run.dueMs = Math.max(run.dueMs + everyMs, nowMs);
    return Math.max(0, run.dueMs + everyMs * shift - nowMs);
  }

  #askToStop(run: Run): void {
    if (run.stopAsked) return;
    run.stopAsked = true;
    run.endPause();
    const { clock, log, name, stopGraceMs } = this.#settings;
    if (!this.#ticking || stopGraceMs === Infinity) return;
    run.grace = clock.setTimer(stopGraceMs, () => {
      const still = `its tick went on for ${String(stopGraceMs)} ms after it was asked to stop`;
      log.warn(`stopping at once: ${still}`, { stopGraceMs });
      run.abandon.abort(new TickLoopError('ERR_TICK_LOOP_ABANDONED', `${name} was stopped at once: ${still}`));
    });
  }

  /** Listens to what may stop the run. Returns a function that stops listening. */
  #listen(run: Run): () => void {
    const { log, name, signal } = this.#settings;
    // A set, or a signal that is listed twice would count as two signals.
    const signals = new Set(this.#settings.signals);
    let received = 0;
    const onSignal = (given: NodeJS.Signals): void => {
      received += 1;
      if (received === 1) {
        log.info(`${given}, stopping after this tick; a second signal stops at once`, { signal: given });
        this.#askToStop(run);
        return;
      }
      log.warn(`${given} again, stopping at once`, { signal: given });
      this.#askToStop(run);
      run.abandon.abort(new TickLoopError('ERR_TICK_LOOP_ABANDONED', `${name} was stopped at once by ${given}`));
    };
    for (const wanted of signals) process.on(wanted, onSignal);
    const stopListening = onAbort(signal, () => this.#askToStop(run));
    return () => {
      for (const wanted of signals) process.off(wanted, onSignal);
      stopListening();
    };
  }
}
