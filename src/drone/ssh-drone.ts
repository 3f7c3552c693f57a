/** A host over SSH as a drone. */
import { Drone, endpointOf } from './drone.js';
import { Endpoint } from './endpoint.js';
import { resolveSshEndpoint, type SshOptions, type SshEndpointSpec } from '../ssh/endpoint.js';
import type { UtilityMethods } from '../utility.js';

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
    super(hostname, new Endpoint(resolveSshEndpoint(hostname, { ...rest, via: hops })));
  }
}

type Hop = string | SshDrone;

function specOf(hop: Hop): string | SshEndpointSpec {
  return hop instanceof SshDrone ? (endpointOf(hop).spec as SshEndpointSpec) : hop;
}
