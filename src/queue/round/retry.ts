/** Decides which batches are tried again, and after how long. */
import type { DroneError } from '../drone/drone-error.js';
import { ERROR_KINDS } from '../drone/error-kinds.js';
import type { Log } from '../../report/log.js';
import type { RetrySettings } from '../queue-options.js';

/** No wait grows beyond this, unless the first is longer. */
const LONGEST_BACKOFF_MS = 30_000;

export class Retry {
  readonly #settings: RetrySettings;
  readonly #log: Log;

  constructor(settings: RetrySettings, log: Log) {
    this.#settings = settings;
    this.#log = log;
  }

  /** How long to wait before a batch that failed for the `attempts`th time is tried again; undefined for never. */
  delayMs(error: DroneError, attempts: number): number | undefined {
    const { attempts: most, backoffMs, jitter } = this.#settings;
    if (attempts >= most || !ERROR_KINDS[error.kind].retry || !this.#wants(error, attempts)) return undefined;
    const fullMs = Math.max(backoffMs, Math.min(backoffMs * 2 ** (attempts - 1), LONGEST_BACKOFF_MS));
    return fullMs * (1 - jitter * Math.random());
  }

  #wants(error: DroneError, attempts: number): boolean {
    try {
      return this.#settings.when(error, attempts);
    } catch (thrown) {
      const { hostname } = error;
      this.#log.error(`retry.when threw, and ${hostname} is not tried again: ${String(thrown)}`, {
        hostname,
        error: thrown,
      });
      return false;
    }
  }
}
