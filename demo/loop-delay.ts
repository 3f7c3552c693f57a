/** How late the main thread's event loop is. */
import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 1;
const NS_PER_MS = 1e6;

export class LoopDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #maxMs = 0;

  start(): void {
    this.#histogram.reset();
    this.#histogram.enable();
  }

  /** Ends a measurement; says what it showed. Without any load it shows about the resolution. */
  stop(): string {
    this.#histogram.disable();
    const p99Ms = this.#histogram.percentile(99) / NS_PER_MS;
    const maxMs = this.#histogram.max / NS_PER_MS;
    this.#maxMs = Math.max(this.#maxMs, maxMs);
    return `main-loop delay p99 ${p99Ms.toFixed(1)} ms, max ${maxMs.toFixed(1)} ms`;
  }

  /** Over all measurements, ms. */
  get maxMs(): number {
    return this.#maxMs;
  }
}
