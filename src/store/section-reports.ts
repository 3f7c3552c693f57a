/** What is told of sections: log, events and metrics. */
import { systemClock } from '../clock.js';
import { events, publish } from '../events.js';
import type { Log } from '../log.js';
import { BoundedNames, metricName, openStats, type Stats } from '../stats.js';
import { titleOf } from './call-site.js';
import type { SectionFacts } from './section.js';
import type { StoreSettings } from './store-options.js';

export class SectionReports {
  readonly #store: string;
  readonly #slowSectionMs: number;
  readonly #log: Log;
  readonly #stats: Stats;
  readonly #names = new BoundedNames();

  constructor({ name, slowSectionMs, log, stats }: StoreSettings) {
    this.#store = name;
    this.#slowSectionMs = slowSectionMs;
    this.#log = log;
    this.#stats = openStats(stats, (error, problems) => {
      log.warn(`${name}: metrics are being lost`, { store: name, problems, error });
    });
  }

  /** Runs a section whose transaction has begun. */
  async during<T>(facts: SectionFacts, run: () => Promise<T>): Promise<T> {
    const startMs = systemClock.nowMs();
    const slow = systemClock.setTimer(this.#slowSectionMs, () => {
      this.#slow(facts, systemClock.nowMs() - startMs);
    });
    slow.unref();
    let failure: { readonly error: unknown } | undefined;
    try {
      return await run();
    } catch (error) {
      failure = { error };
      throw error;
    } finally {
      slow.cancel();
      const tookMs = systemClock.nowMs() - startMs;
      this.#stats.timing(this.#metric('section', facts), tookMs);
      if (failure !== undefined) this.#stats.increment(this.#metric('section_failures', facts));
      publish(events.sectionEnd, () => ({
        ...this.#message(facts),
        tookMs,
        failed: failure !== undefined,
        ...failure,
      }));
    }
  }

  /** Other transactions were in its way; it is about to be tried again. */
  retry(facts: SectionFacts, attempts: number, error: unknown): void {
    this.#stats.increment(this.#metric('section_retries', facts));
    this.#log.debug(`${this.#store}: ${titleOf(facts)} is tried again`, { ...this.#message(facts), attempts, error });
    publish(events.sectionRetry, () => ({ ...this.#message(facts), attempts, error }));
  }

  close(): Promise<void> {
    return this.#stats.close();
  }

  #slow(facts: SectionFacts, openMs: number): void {
    const openedAt = facts.callSite.text;
    this.#stats.increment(this.#metric('section_slow', facts));
    this.#log.warn(`${this.#store}: ${titleOf(facts)} has been open for ${String(Math.round(openMs))} ms`, {
      ...this.#message(facts),
      openedAt,
      openMs,
    });
    publish(events.sectionSlow, () => ({ ...this.#message(facts), openedAt, openMs }));
  }

  #message({ policy, name }: SectionFacts) {
    return { store: this.#store, section: name, writes: policy === 'readWrite' };
  }

  #metric(what: string, { name }: SectionFacts): string {
    return metricName('drone_task_queue', this.#store, what, this.#names.of(name));
  }
}
