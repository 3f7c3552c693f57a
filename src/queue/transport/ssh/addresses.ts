/** The addresses that a host's name stands for. */
import { isIP } from 'node:net';
import { settlesWithin } from '../../../wait/clock.js';
import { TransportError } from '../transport.js';
import type { ConnectionSettings } from './connection.js';
import { lookUp } from './name-lookup.js';
import type { SshPoint } from './ssh-endpoint.js';
import { meaningOf } from './tcp.js';

/** A look-up keeps its turn to connect for this long, ms. */
const IN_TURN_MS = 50;

/**
 * The addresses of the host, in the system's order. A silent name server does not keep others from connecting. Rejects with a
 * TransportError (`unreachable`) that has the system's error as its cause, or at once when aborted.
 */
export async function addressesOf({ host, port }: SshPoint, settings: ConnectionSettings): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  const { held, signal, pause, phase, awaits } = settings;
  let hasStarted = false;
  const start = (): void => {
    hasStarted = true;
    phase('connect');
    awaits({ what: `the name ${host} did not resolve`, kind: 'timeout' });
  };
  try {
    const found = lookUp(host, held, signal, start);
    if (!(await settlesWithin(IN_TURN_MS, found))) {
      await pause(() => {
        if (hasStarted) phase('connect');
        return found;
      });
    }
    const addresses = await found;
    awaits(undefined);
    return addresses;
  } catch (error) {
    signal.throwIfAborted();
    awaits(undefined);
    const { code } = error as NodeJS.ErrnoException;
    const mend = code === 'ENOTFOUND' ? `; for a name in ssh_config, use SshDrone.fromSshConfig('${host}')` : '';
    const why = `the name did not resolve: ${meaningOf(error as Error)}${mend}`;
    const message = `cannot connect to ${host} port ${String(port)}: ${why}`;
    throw new TransportError('unreachable', message, { cause: error, code });
  }
}
