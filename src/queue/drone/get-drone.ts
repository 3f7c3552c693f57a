/** From a hostname to a drone. */
import { LocalDrone } from './local-drone.js';
import { SshDrone, type SshDroneOptions } from './ssh-drone.js';

/**
 * The drone for a hostname: `localhost` is this machine, reached without SSH, everything else an SSH host.
 * Nothing is contacted. Throws TypeError (`ERR_INVALID_ARG`) for options out of range.
 */
export function getDrone(hostname: string, options: SshDroneOptions = {}): LocalDrone | SshDrone {
  if (hostname !== 'localhost') return new SshDrone(hostname, options);
  const { utility, env } = options;
  return new LocalDrone({ utility, env });
}
