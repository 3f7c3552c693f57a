/** A host over SSH as a drone. */
import { Drone, endpointOf } from './drone.js';
import { type AnswerQuestion, Endpoint } from './endpoint.js';
import { text } from '../../option/option-kinds.js';
import { Option, readOptions, type Table } from '../../option/option-table.js';
import { answererOf } from '../transport/ssh/prompt-answers.js';
import { resolveSshEndpoint, SSH, type SshOptions, type SshEndpointSpec } from '../transport/ssh/ssh-endpoint.js';
import type { UtilityMethods } from '../wire/methods.js';
import { refuseInSection } from '../../wait/section-guard.js';

/** How an SshDrone is reached; hops on the way may be drones themselves. */
export type SshDroneOptions = SshOptions<SshDrone>;

/**
 * A host reached over SSH. `Own` names the methods of the user's own utility module.
 *
 * Drone objects for the same endpoint (user, address, port, credentials, hops, utility module) share one warm connection
 * in a queue. Nothing is contacted before a round.
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- no methods of one's own is the usual case
export class SshDrone<Own = {}> extends Drone<UtilityMethods & Own> {
  /** Throws TypeError (`ERR_INVALID_ARG`) for options out of range. */
  constructor(hostname: string, options: SshDroneOptions = {}) {
    const { via, ...rest } = options;
    const hops = Array.isArray(via) ? (via as readonly Hop[]).map(specOf) : via && specOf(via as Hop);
    const spec = resolveSshEndpoint(hostname, { ...rest, via: hops });
    super(hostname, new Endpoint(spec, undefined, answersOf(spec, options)));
  }

  /**
   * The drone that `ssh <name>` would reach: what the user's and the system's ssh_config say of it, as `ssh -G` prints it,
   * hops of ProxyJump included. `options` win over what is found there.
   *
   * Read are HostName, User, Port, IdentityFile, IdentitiesOnly, IdentityAgent, ProxyJump, UserKnownHostsFile,
   * GlobalKnownHostsFile, StrictHostKeyChecking, HostKeyAlias, ConnectTimeout (as `connectTimeoutMs`), ServerAliveInterval,
   * ServerAliveCountMax, Ciphers, KexAlgorithms, MACs and HostKeyAlgorithms. `StrictHostKeyChecking ask` is `strict`: nobody
   * is there to ask. Algorithms that ssh2 does not have are left
   * out. Of `options`, hops take `passphrase`. Eight `ssh` at most run at once, however many names are read.
   *
   * Rejects with an Error whose `code` is `ERR_SSH_NOT_FOUND` (there is no `ssh` on this machine), `ERR_SSH_CONFIG` (ssh
   * refuses the name or the file) or `ERR_SSH_CONFIG_UNSUPPORTED` (ProxyCommand, `StrictHostKeyChecking no`, or none of
   * the wanted algorithms), and with TypeError (`ERR_INVALID_ARG`) for a name or options out of range.
   */
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- no methods of one's own is the usual case
  static async fromSshConfig<Own = {}>(name: string, options: FromSshConfigOptions = {}): Promise<SshDrone<Own>> {
    refuseInSection(`fromSshConfig of '${name}'`);
    readOptions(FROM_SSH_CONFIG, options);
    // Loaded only here: it runs programs, which nothing else of a drone does.
    const { readSshConfig } = await import('../transport/ssh/config.js');
    const { configFile, ...own } = options;
    const { hops, ...found } = await readSshConfig(name, own, configFile);
    const { passphrase } = own;
    const via = hops.map(({ name: hop, ...rest }) => new SshDrone(hop, { ...rest, passphrase }));
    const given = Object.entries(own).filter(([, value]) => value !== undefined);
    return new SshDrone<Own>(name, { ...found, ...(via.length > 0 && { via }), ...Object.fromEntries(given) });
  }
}

/** What to add to a host's ssh_config, or to put in its place. */
export interface FromSshConfigOptions extends SshDroneOptions {
  /** Read in place of the user's and the system's files, as with `ssh -F`. `~/` is the home directory. */
  configFile?: string | undefined;
}

export const FROM_SSH_CONFIG = {
  ...SSH,
  configFile: text('a path'),
  // Strings and drones are told apart when the drone is made.
  via: new Option<NonNullable<SshDroneOptions['via']>, unknown>(SSH.via.expected, via => via),
} satisfies Table<FromSshConfigOptions>;

/** The functions that the drone, or one that is its hop, was made with. */
function answersOf(spec: SshEndpointSpec, options: SshDroneOptions): ReadonlyMap<string, AnswerQuestion> {
  const via: readonly unknown[] = Array.isArray(options.via) ? options.via : [options.via];
  const ofHops = via.flatMap(hop => (hop instanceof SshDrone ? [...endpointOf(hop).answers] : []));
  return new Map(spec.asks ? [...ofHops, [spec.asks.key, answererOf(options)]] : ofHops);
}

type Hop = string | SshDrone;

function specOf(hop: Hop): string | SshEndpointSpec {
  return hop instanceof SshDrone ? (endpointOf(hop).spec as SshEndpointSpec) : hop;
}
