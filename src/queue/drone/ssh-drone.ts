/** A host over SSH as a drone. */
import { type CallDefaults, callDefaults } from './call.js';
import { Drone, endpointOf } from './drone.js';
import { type AnswerQuestion, Endpoint } from './endpoint.js';
import { text } from '../../option/option-kinds.js';
import { checkNames, Option, readOptions, type Table } from '../../option/option-table.js';
import { answererOf } from '../transport/ssh/prompt-answers.js';
import { resolveSshEndpoint, SSH, type SshOptions, type SshEndpointSpec } from '../transport/ssh/ssh-endpoint.js';
import type { UtilityMethods } from '../wire/methods.js';
import { refuseInSection } from '../../wait/section-guard.js';

/** How to reach an SshDrone; hops may themselves be drones. */
export interface SshDroneOptions extends SshOptions<SshDrone> {
  /**
   * Options of its calls, unless `with` overrides them: `{ idempotent: true }` allows all of them to be retried.
   * Default: none.
   */
  defaults?: CallDefaults | undefined;
}

export const SSH_DRONE = {
  ...SSH,
  // The constructor distinguishes strings from drones.
  via: new Option<NonNullable<SshDroneOptions['via']>, unknown>(SSH.via.expected, via => via),
  defaults: callDefaults(),
} satisfies Table<SshDroneOptions>;

/**
 * A host reached over SSH. `Own` names the methods of the user's own utility module.
 *
 * Drone objects for the same endpoint (user, address, port, credentials, hops, utility module) share one warm connection
 * in a queue. Nothing is contacted before a round.
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- no methods of one's own is the usual case
export class SshDrone<Own = {}> extends Drone<UtilityMethods & Own> {
  /** Throws a TypeError (`ERR_INVALID_ARG`) for options out of range. */
  constructor(hostname: string, options: SshDroneOptions = {}) {
    checkNames(options, Object.keys(SSH_DRONE));
    const { via, defaults, ...rest } = options;
    const hops = Array.isArray(via) ? (via as readonly Hop[]).map(specOf) : via && specOf(via as Hop);
    const spec = resolveSshEndpoint(hostname, { ...rest, via: hops });
    super(
      hostname,
      new Endpoint(spec, undefined, answersOf(spec, options)),
      SSH_DRONE.defaults.read(defaults, 'defaults'),
    );
  }

  /**
   * The drone that `ssh <name>` would reach according to the user's and the system's ssh_config, as `ssh -G` prints it,
   * with the hops of ProxyJump. `options` take precedence.
   *
   * A setting that affects trust, the route to the host or the login is obeyed or refused by name; docs/ssh-config.md
   * lists all settings. `StrictHostKeyChecking ask` means `strict`. Algorithms that ssh2 lacks are omitted. Of
   * `options`, hops take only `passphrase`. At most eight `ssh` processes run at once.
   *
   * Rejects with an Error whose `code` is `ERR_SSH_NOT_FOUND` (there is no `ssh` on this machine), `ERR_SSH_CONFIG`
   * (ssh refuses the name or the file) or `ERR_SSH_CONFIG_UNSUPPORTED` (for example for ProxyCommand,
   * `StrictHostKeyChecking no`, an unknown setting, or if none of the requested algorithms is available), and with a
   * TypeError (`ERR_INVALID_ARG`) for an invalid name or options out of range.
   */
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- no methods of one's own is the usual case
  static async fromSshConfig<Own = {}>(name: string, options: FromSshConfigOptions = {}): Promise<SshDrone<Own>> {
    refuseInSection(`fromSshConfig of '${name}'`);
    readOptions(FROM_SSH_CONFIG, options);
    // Loaded only here, as it runs programs.
    const { readSshConfig } = await import('../transport/ssh/config.js');
    const { configFile, ...own } = options;
    const { hops, ...found } = await readSshConfig(name, own, configFile);
    const { passphrase } = own;
    const via = hops.map(({ name: hop, ...rest }) => new SshDrone(hop, { ...rest, passphrase }));
    const given = Object.entries(own).filter(([, value]) => value !== undefined);
    return new SshDrone<Own>(name, { ...found, ...(via.length > 0 && { via }), ...Object.fromEntries(given) });
  }
}

/** Additions to a host's ssh_config. */
export interface FromSshConfigOptions extends SshDroneOptions {
  /** Replaces the user's and the system's files, as with `ssh -F`. `~/` is the home directory. */
  configFile?: string | undefined;
}

export const FROM_SSH_CONFIG = {
  ...SSH_DRONE,
  configFile: text('a path'),
} satisfies Table<FromSshConfigOptions>;

/** The functions that the drone and its hops were made with. */
function answersOf(spec: SshEndpointSpec, options: SshDroneOptions): ReadonlyMap<string, AnswerQuestion> {
  const via: readonly unknown[] = Array.isArray(options.via) ? options.via : [options.via];
  const ofHops = via.flatMap(hop => (hop instanceof SshDrone ? [...endpointOf(hop).answers] : []));
  return new Map(spec.asks ? [...ofHops, [spec.asks.key, answererOf(options)]] : ofHops);
}

type Hop = string | SshDrone;

function specOf(hop: Hop): string | SshEndpointSpec {
  return hop instanceof SshDrone ? (endpointOf(hop).spec as SshEndpointSpec) : hop;
}
