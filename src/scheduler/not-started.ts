/** Commands that did not start are told in one way, whoever finds out. */
import { summarize } from '../queue/drone/drone-error.js';
import { events, publish } from './events.js';
import type { Metrics } from '../report/metrics.js';
import type { ManagerSettings } from './manager-options.js';
import type { PidfileId } from './pidfile.js';

export function tellNotStarted({ log, name }: ManagerSettings, metrics: Metrics, id: PidfileId, error?: Error): void {
  const { hostname, path: pidfile } = id;
  const why = error ? summarize(error) : 'the drone never got it';
  log.warn(`the command of ${pidfile} on ${hostname} is not started: ${why}`, { ...id, error });
  metrics.increment('not_started');
  publish(events.commandNotStarted, () => ({ manager: name, hostname, pidfile, error }));
}
