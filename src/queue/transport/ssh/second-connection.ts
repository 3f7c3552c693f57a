/** A connection beside that of the link: to end something with, for which nobody should have to wait. */
import { onAbort } from '../../../wait/abort.js';
import { systemClock } from '../../../wait/clock.js';
import { TransportError } from '../transport.js';
import type { ConnectionSettings } from './connection.js';
import type { SshEndpointSpec } from './ssh-endpoint.js';
import type { ConnectAgain } from './plain/ender.js';
import { connectThrough } from './tunnel.js';

/** Who ends something is answered after the kill grace and about as much; an attempt may always take as long. */
const MARGIN_MS = 3000;
/** Also where connecting may take as long as it likes: nobody is there any more who would give this one up. */
const LONGEST_MS = 60_000;

const UNNOTICED: Pick<ConnectionSettings, 'phase' | 'awaits' | 'pause'> = {
  phase: () => undefined,
  awaits: () => undefined,
  pause: wait => wait(),
};

/**
 * Opens a second connection; gives up when aborted, or by itself after `connectTimeoutMs`: a server that takes connections
 * and says nothing would else keep it, and its place among those to that server, for as long as the first one stands.
 */
export function secondConnection(
  spec: SshEndpointSpec,
  settings: ConnectionSettings,
  killGraceMs: number,
): ConnectAgain {
  const limitMs = Math.max(Math.min(settings.connectTimeoutMs, LONGEST_MS), killGraceMs + MARGIN_MS);
  return async signal => {
    const late = new AbortController();
    const timer = systemClock.setTimer(limitMs, () => {
      late.abort(new TransportError('timeout', `no second connection within ${String(limitMs)} ms`));
    });
    timer.unref();
    const stopListening = onAbort(signal, reason => late.abort(reason));
    try {
      return await connectThrough(spec.hops, spec, {
        ...settings,
        ...UNNOTICED,
        signal: late.signal,
      });
    } finally {
      timer.cancel();
      stopListening();
    }
  };
}
