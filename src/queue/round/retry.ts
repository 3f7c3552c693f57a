/** Decides which batches the queue retries, and after how long. */
import type { DroneError } from '../drone/drone-error.js';
import { ERROR_KINDS } from '../drone/error-kinds.js';
import type { Log } from '../../report/log.js';
import type { RetrySettings } from '../queue-options.js';

/** No wait grows beyond this, unless the first is longer. */
const LONGEST_BACKOFF_MS = 30_000;

/** The wait before the retry of a batch that has failed `attempts` times; undefined for no retry. */
export function retryDelayMs(
  { attempts: most, backoffMs, jitter, when }: RetrySettings,
  error: DroneError,
  attempts: number,
  log: Log,
): number | undefined {
  if (attempts >= most || ERROR_KINDS[error.kind].retry === 'never') return undefined;
  try {
    if (!when(error, attempts)) return undefined;
  } catch (thrown) {
    const { hostname } = error;
    log.error(`retry.when threw, and ${hostname} is not retried: ${String(thrown)}`, { hostname, error: thrown });
    return undefined;
  }
  const fullMs = Math.max(backoffMs, Math.min(backoffMs * 2 ** (attempts - 1), LONGEST_BACKOFF_MS));
  return fullMs * (1 - jitter * Math.random());
}
