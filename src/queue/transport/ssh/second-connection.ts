/** A connection beside the link's, to end something with. */
import { onAbort } from '../../../wait/abort.js';
import { systemClock } from '../../../wait/clock.js';
import { TransportError } from '../transport.js';
import type { ConnectionSettings } from './connection.js';
import type { SshEndpointSpec } from './ssh-endpoint.js';
import type { ConnectAgain } from './plain/ender.js';
import { connectThrough } from './tunnel.js';

/** Allowed beyond the kill grace for one attempt, ms: the kill is answered after about as long. */
const MARGIN_MS = 3000;
/** Also where connecting has no limit: nothing else would give this attempt up. */
const LONGEST_MS = 60_000;

/**
 * Opens a second connection; gives up when aborted, or after `connectTimeoutMs`: otherwise a server that accepts and stays
 * silent would keep the attempt, and its place among that server's logins, while the first connection stands.
 */
export function secondConnection(
  spec: SshEndpointSpec,
  settings: ConnectionSettings,
  killGraceMs: number,
): ConnectAgain {
  const limitMs = Math.max(Math.min(settings.connectTimeoutMs, LONGEST_MS), killGraceMs + MARGIN_MS);
  return async signal => {
    const late = new AbortController();
    const timer = systemClock.setTimer(limitMs, () =>
      late.abort(new TransportError('timeout', `no second connection within ${String(limitMs)} ms`)),
    );
    timer.unref();
    const stopListening = onAbort(signal, reason => late.abort(reason));
    try {
      return await connectThrough(spec.hops, spec, {
        ...settings,
        phase: () => undefined,
        awaits: () => undefined,
        pause: wait => wait(),
        signal: late.signal,
      });
    } finally {
      timer.cancel();
      stopListening();
    }
  };
}
