/** Log lines, events and metrics of sections. */
import { systemClock } from '../wait/clock.js';
import { events, publish } from './events.js';
import type { Log } from '../report/log.js';
import { Metrics } from '../report/metrics.js';
import { titleOf } from './call-site.js';
import type { SectionFacts } from './section.js';
import type { StoreSettings } from './store-options.js';

/**
 * Metrics of a store, under `drone_task_queue.<store>`:
 *
 * - `section.<name>` (timing): one section, from the start of its transaction to the end.
 * - `section_failures.<name>` (counter): sections that failed, so that nothing was kept.
 * - `section_retries.<name>` (counter): retries of `repeatable` sections.
 * - `section_slow.<name>` (counter): sections that were open, or waited for their turn, for longer than
 *   `slowSectionMs`.
 */
export class SectionReports {
  readonly #store: string;
  readonly #slowSectionMs: number;
  readonly #log: Log;
  readonly #metrics: Metrics;

  constructor({ name, slowSectionMs, log, stats }: StoreSettings) {
    this.#store = name;
    this.#slowSectionMs = slowSectionMs;
    this.#log = log;
    this.#metrics = new Metrics(name, stats, log);
  }

  /** Runs a section whose transaction has begun. */
  async during<T>(facts: SectionFacts, run: () => Promise<T>): Promise<T> {
    const startMs = systemClock.nowMs();
    const notSlow = this.#watch(facts, 'has been open');
    let failure: { readonly error: unknown } | undefined;
    try {
      return await run();
    } catch (error) {
      failure = { error };
      throw error;
    } finally {
      notSlow();
      const tookMs = systemClock.nowMs() - startMs;
      this.#metrics.timing('section', tookMs, facts.name);
      if (failure !== undefined) this.#metrics.increment('section_failures', facts.name);
      const end = { tookMs, failed: failure !== undefined, ...failure };
      publish(events.sectionEnd, () => ({ ...this.#message(facts), ...end }));
    }
  }

  /** Returns the function to call when the section has its turn to write. */
  waiting(facts: SectionFacts): () => void {
    return this.#watch(facts, 'has waited for its turn');
  }

  notBegun(facts: SectionFacts): void {
    this.#metrics.increment('section_failures', facts.name);
  }

  retry(facts: SectionFacts, attempts: number, error: unknown): void {
    this.#metrics.increment('section_retries', facts.name);
    this.#log.debug(`${titleOf(facts)} will be retried`, { ...this.#message(facts), attempts, error });
    publish(events.sectionRetry, () => ({ ...this.#message(facts), attempts, error }));
  }

  close(): Promise<void> {
    return this.#metrics.close();
  }

  /** Reports once what takes too long; returns a function that ends the watch. */
  #watch(facts: SectionFacts, what: 'has been open' | 'has waited for its turn'): () => void {
    const startMs = systemClock.nowMs();
    const timer = systemClock.setTimer(this.#slowSectionMs, () => {
      const tookMs = systemClock.nowMs() - startMs;
      const openedAt = facts.callSite.text;
      const message = { ...this.#message(facts), openedAt, waits: what !== 'has been open', tookMs };
      this.#metrics.increment('section_slow', facts.name);
      this.#log.warn(`the ${titleOf(facts)} ${what} for ${String(Math.round(tookMs))} ms`, message);
      publish(events.sectionSlow, () => message);
    });
    timer.unref();
    return () => timer.cancel();
  }

  #message({ policy, name }: SectionFacts) {
    return { store: this.#store, section: name, writes: policy === 'readWrite' };
  }
}
