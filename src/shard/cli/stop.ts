/** SIGINT and SIGTERM, from the first moment on: the first one asks to stop, the second one ends the process. */
import { constants } from 'node:os';
import type { Log } from '../../report/log.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Aborted by the first one. */
export function stopOnSignals(log: Log): AbortSignal {
  const stop = new AbortController();
  for (const name of SIGNALS) {
    process.on(name, () => {
      // What was written is written; what was not is found undone.
      if (stop.signal.aborted) process.exit(128 + constants.signals[name]);
      log.info(`${name}: stopping; a second one ends at once`);
      stop.abort(new Error(`stopped by ${name}`));
    });
  }
  return stop.signal;
}
