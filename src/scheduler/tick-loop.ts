/**
 * The scheduler's loop: tick, pause, tick.
 *
 * A loop is idle, ticking or pausing. `run` takes it from idle to ticking; each end of a tick to pausing, each end of a
 * pause to ticking. It is left in two ways:
 * - asked to stop (`stop`, the first process signal, `options.signal`, the last of `maxTicks`, a failure with onError
 *   `stop`): the tick ends in its own time, a pause ends now, and the loop is idle;
 * - abandoned (the second process signal): `run` settles now. Its tick, told by `context.signal`, may still be going.
 *
 * What always holds: one tick at a time, an abandoned one included, which is why `run` is refused until that has ended;
 * and listeners on the process, and the timer that keeps it alive, are there only from the start to the end of `run`.
 */
import { MAX_TIMER_MS } from '../wait/clock.js';
import { onAbort } from '../wait/abort.js';
import { summarize } from '../queue/drone/drone-error.js';
import { events, publish } from './events.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { refuseInSection } from '../wait/section-guard.js';
import { withNamedLog } from '../report/log.js';
import { Metrics } from '../report/metrics.js';
import { readOptions } from '../option/option-table.js';
import { PAUSE_MS, type Tick, TICK_LOOP, type TickLoopOptions, type TickSettings } from './tick-options.js';

/** A run of the loop that was refused, or the reason why a tick's signal was aborted. */
export class TickLoopError extends Error {
  override readonly name = 'TickLoopError';
  /** `ERR_TICK_LOOP_RUNNING`: `run` was called twice; `ERR_TICK_LOOP_ABANDONED`: the tick was left behind. */
  readonly code: 'ERR_TICK_LOOP_RUNNING' | 'ERR_TICK_LOOP_ABANDONED';

  constructor(code: TickLoopError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** One call of `run`. */
interface Run {
  readonly metrics: Metrics;
  /** Aborted when the run does not wait for its tick any more. */
  readonly abandon: AbortController;
  /** Resolves when the run has settled, whichever way. */
  readonly settled: Promise<void>;
  stopAsked: boolean;
  /** Ends the pause it is in, if it is in one. */
  endPause: () => void;
}

/**
 * Runs a tick again and again, never two at once, with a pause in between, until it is stopped.
 *
 *     const loop = new TickLoop(async ({ signal }) => {
 *       for (const drone of drones) drone.queueCall('run', 'uptime');
 *       report(await queue.execute(drones, { signal }));
 *     });
 *     await loop.run(); // until SIGINT or SIGTERM
 *     await queue.close();
 *
 * The first signal (SIGINT or SIGTERM) stops the loop after the current tick, the second one at once. A tick that throws
 * is logged, counted, published as an event (`events.tickEnd`) and told to `onTickError`; the loop goes on unless
 * `onError` is `stop`.
 */
export class TickLoop {
  readonly #tick: Tick;
  readonly #settings: TickSettings;
  #run: Run | undefined;
  #ticking = false;
  #ticks = 0;
  #failedTicks = 0;
  #lastTickTookMs: number | undefined;

  /** Throws TypeError (`ERR_INVALID_ARG`) that names the option at fault. Nothing starts before `run`. */
  constructor(tick: Tick, options: TickLoopOptions = {}) {
    if (typeof tick !== 'function') throw invalidArgument('tick', tick, 'a function');
    this.#tick = tick;
    this.#settings = withNamedLog(readOptions(TICK_LOOP, options), 'loop');
  }

  /** As in the options: for log lines, events and metrics. */
  get name(): string {
    return this.#settings.name;
  }

  /** Whether `run` is on. */
  get running(): boolean {
    return this.#run !== undefined;
  }

  /** How many ticks have ended since the loop was made, well or not. */
  get ticks(): number {
    return this.#ticks;
  }

  /** How many of them threw. */
  get failedTicks(): number {
    return this.#failedTicks;
  }

  /** How long the last tick took, ms; undefined before the first has ended. */
  get lastTickTookMs(): number | undefined {
    return this.#lastTickTookMs;
  }

  /**
   * Ticks until stopped; the first tick starts at once. Keeps the process alive until then. Can be called again.
   *
   * Resolves when the loop was stopped or has done its `maxTicks`. After a second signal it resolves at once: then the
   * current tick's own work may still be going, and what that throws is still logged.
   *
   * Rejects with what a tick threw when `onError` is `stop`; with what a `pauseMs` of yours threw, or with TypeError
   * (`ERR_INVALID_ARG`) when that gives no number of milliseconds; with a TickLoopError (`ERR_TICK_LOOP_RUNNING`) while it is
   * running, or while a tick that an earlier run left behind has not ended.
   */
  async run(): Promise<void> {
    refuseInSection(`run of the loop '${this.name}'`);
    if (this.#run !== undefined) throw new TickLoopError('ERR_TICK_LOOP_RUNNING', `${this.name} is running already`);
    if (this.#ticking) {
      throw new TickLoopError(
        'ERR_TICK_LOOP_RUNNING',
        `${this.name} was stopped at once and its tick has not ended yet`,
      );
    }

    let settle = (): void => undefined;
    const run: Run = {
      metrics: new Metrics(this.name, this.#settings.stats, this.#settings.log),
      abandon: new AbortController(),
      settled: new Promise(resolve => {
        settle = resolve;
      }),
      stopAsked: false,
      endPause: () => undefined,
    };
    this.#run = run;
    // A tick may wait for nothing that keeps the process alive; without this it would end silently in mid-tick.
    const hold = setInterval(() => undefined, MAX_TIMER_MS);
    const stopListening = this.#listen(run);
    try {
      const abandoned = new Promise<void>(resolve => onAbort(run.abandon.signal, () => resolve()));
      await Promise.race([this.#loop(run).finally(() => run.metrics.close()), abandoned]);
    } finally {
      stopListening();
      clearInterval(hold);
      // Left open by an abandoned loop only; closing never fails, and nobody who said "at once" waits for it.
      void run.metrics.close();
      this.#run = undefined;
      settle();
    }
  }

  /**
   * Stops the loop after the current tick, or promptly in a pause. Resolves when `run` has settled, also when that
   * rejects, and at once when the loop is not running. Inside a tick call it without awaiting it: it waits for the tick.
   */
  async stop(): Promise<void> {
    refuseInSection(`stop of the loop '${this.name}'`);
    if (this.#run === undefined) return;
    askToStop(this.#run);
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
    const { clock, jitter, pauseMs, random } = this.#settings;
    const thisPauseMs = PAUSE_MS.read(pauseMs(), 'pauseMs()') * (1 + jitter * (2 * random() - 1));
    await new Promise<void>(resolve => {
      const timer = clock.setTimer(thisPauseMs, resolve);
      run.endPause = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  /** Listens to whatever may stop the run; returns how to listen no more. */
  #listen(run: Run): () => void {
    const { log, name, signal } = this.#settings;
    // Each once, else a signal listed twice would count as the second already.
    const signals = new Set(this.#settings.signals);
    let received = 0;
    const onSignal = (given: NodeJS.Signals): void => {
      received += 1;
      if (received === 1) {
        log.info(`${given}, stopping after this tick; a second signal stops at once`, {
          signal: given,
        });
        askToStop(run);
        return;
      }
      log.warn(`${given} again, stopping at once`, { signal: given });
      askToStop(run);
      run.abandon.abort(new TickLoopError('ERR_TICK_LOOP_ABANDONED', `${name} was stopped at once by ${given}`));
    };
    for (const wanted of signals) process.on(wanted, onSignal);
    const stopListening = onAbort(signal, () => askToStop(run));
    return () => {
      for (const wanted of signals) process.off(wanted, onSignal);
      stopListening();
    };
  }
}

function askToStop(run: Run): void {
  run.stopAsked = true;
  run.endPause();
}
