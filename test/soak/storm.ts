/** Injects faults at random times, and ends them. */
import { setMaxListeners } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import type { Dice } from './dice.js';
import type { Fault, Injected } from './fault.js';
import type { Tally } from './tally.js';
import type { Timeline } from './timeline.js';

const LEAST_PAUSE_MS = 50;
const MOST_PAUSE_MS = 600;
/** Of a timer: until the storm's end. */
const LONGEST_MS = 2 ** 31 - 1;

export class Storm implements AsyncDisposable {
  readonly #faults: readonly Fault[];
  readonly #dice: Dice;
  readonly #timeline: Timeline;
  readonly #tally: Tally;
  readonly #over = new AbortController();
  /** Not ended yet. */
  readonly #lasting = new Set<Promise<void>>();
  readonly #blowing: Promise<void>;

  constructor(faults: readonly Fault[], dice: Dice, timeline: Timeline, tally: Tally) {
    this.#faults = faults;
    this.#dice = dice;
    this.#timeline = timeline;
    this.#tally = tally;
    // Each fault that lasts listens to it.
    setMaxListeners(0, this.#over.signal);
    this.#blowing = this.#blow();
    // Told by `calm`, after which all else is closed in order.
    this.#blowing.catch(() => undefined);
  }

  /** Resolves when no fault is left. */
  async calm(): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#lasting);
    await this.#blowing;
    await Promise.all(this.#lasting);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.calm();
  }

  async #blow(): Promise<void> {
    for (;;) {
      await this.#passes(this.#dice.between(LEAST_PAUSE_MS, MOST_PAUSE_MS));
      if (this.#over.signal.aborted) return;
      const fault = this.#dice.weighted(this.#faults);
      const injected = await fault?.inject(this.#dice);
      if (!fault || !injected) continue;
      this.#tally.count('faults', fault.name);
      this.#timeline.note({ drone: injected.on, what: `fault: ${fault.name}` });
      if (!injected.end) continue;
      const ended: Promise<void> = this.#end(fault, injected).then(() => void this.#lasting.delete(ended));
      this.#lasting.add(ended);
    }
  }

  async #end(fault: Fault, { on, end, lastsMs }: Injected): Promise<void> {
    await this.#passes(lastsMs ?? LONGEST_MS);
    await end?.();
    this.#timeline.note({ drone: on, what: `fault ends: ${fault.name}` });
  }

  /** Waits so long, or for the storm's end. */
  async #passes(timeMs: number): Promise<void> {
    await wait(timeMs, undefined, { signal: this.#over.signal }).catch((error: unknown) => {
      if (!this.#over.signal.aborted) throw error;
    });
  }
}
