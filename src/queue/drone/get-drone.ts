/** From a hostname to a drone. */
import { LOCAL_DRONE, LocalDrone, type LocalDroneOptions } from './local-drone.js';
import { SSH } from '../transport/ssh/ssh-endpoint.js';
import { SshDrone, type SshDroneOptions } from './ssh-drone.js';

/**
 * The drone for a hostname: `localhost` is this machine, reached without SSH, and takes no SSH options; everything else
 * is an SSH host. For an SSH server on this machine, use `new SshDrone('localhost', options)`. Nothing is contacted.
 *
 * Throws a TypeError (`ERR_INVALID_ARG`) for options out of range, for SSH options with `localhost`, and for a hostname
 * that contains a user or a port, because these are options.
 */
export function getDrone<Name extends string>(
  hostname: Name,
  options?: Name extends 'localhost' ? LocalDroneOptions : SshDroneOptions,
): Name extends 'localhost' ? LocalDrone : string extends Name ? LocalDrone | SshDrone : SshDrone;
export function getDrone(hostname: string, options: LocalDroneOptions | SshDroneOptions = {}): LocalDrone | SshDrone {
  return hostname === 'localhost' ? localDrone(options) : new SshDrone(hostname, options);
}

function localDrone(options: SshDroneOptions): LocalDrone {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const ofSsh = given
    .map(([name]) => name)
    .filter(name => Object.hasOwn(SSH, name) && !Object.hasOwn(LOCAL_DRONE, name));
  if (ofSsh.length === 0) return new LocalDrone(Object.fromEntries(given));
  const names = ofSsh.join(', ');
  const message =
    `getDrone('localhost') takes no ${names}: it is this machine, reached without SSH; ` +
    `for an SSH server here use new SshDrone('localhost', { ${names} })`;
  throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG' });
}
