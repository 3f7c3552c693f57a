/** This machine as a drone. */
import { type CallDefaults, callDefaults } from './call.js';
import { Drone } from './drone.js';
import { Endpoint } from './endpoint.js';
import { fingerprintOf } from '../transport/fingerprint.js';
import { environment, moduleUrl } from '../../option/option-kinds.js';
import { readOptions, type Table } from '../../option/option-table.js';
import type { UtilityMethods } from '../wire/methods.js';

/** The pipes to the agent: stdin, stdout and stderr. */
const OPEN_FILES = 3;

/** Options of a LocalDrone. */
export interface LocalDroneOptions {
  /** The user's own utility module: self-contained, a `file:` or `data:` URL. */
  utility?: URL | undefined;
  /** Added to the environment of the agent and its commands. */
  env?: Readonly<Record<string, string>> | undefined;
  /**
   * Options of its calls, unless `with` overrides them: `{ idempotent: true }` allows all of them to be retried.
   * Default: none.
   */
  defaults?: CallDefaults | undefined;
}

export const LOCAL_DRONE = {
  utility: moduleUrl(),
  env: environment(),
  defaults: callDefaults(),
} satisfies Table<LocalDroneOptions>;

/**
 * This machine, reached without SSH: an agent process runs the calls, just as on other hosts.
 * `hostname` is `localhost`. `Own` names the methods of the user's own utility module.
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- no methods of one's own is the usual case
export class LocalDrone<Own = {}> extends Drone<UtilityMethods & Own> {
  /** Throws a TypeError (`ERR_INVALID_ARG`) for options out of range. */
  constructor(options: LocalDroneOptions = {}) {
    const { utility, env, defaults } = readOptions(LOCAL_DRONE, options);
    const key = `local#${fingerprintOf({ utility, env })}`;
    super(
      'localhost',
      new Endpoint({
        transport: 'local',
        key,
        openFiles: { count: OPEN_FILES, of: key },
        hostname: 'localhost',
        utility,
        env,
      }),
      defaults,
    );
  }
}
