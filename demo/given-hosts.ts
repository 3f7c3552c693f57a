/** A fleet of hosts that the user named. Nothing is planned to go wrong. */
import { LocalDrone, SshDrone } from 'drone-task-queue';
import type { DemoArguments, GivenHost } from './arguments.js';
import { type Fleet, type FleetDrone, INVENTORY, type Inventory } from './fleet.js';

export function givenHosts({ hosts, identity, knownHosts, agentCommand }: DemoArguments): Fleet {
  const droneOf = ({ hostname, host, user, port }: GivenHost): FleetDrone =>
    hostname === 'localhost' && user === undefined
      ? new LocalDrone<Inventory>({ utility: INVENTORY })
      : new SshDrone<Inventory>(hostname, { host, user, port, identity, knownHosts, agentCommand, utility: INVENTORY });
  return {
    title: hosts.map(({ hostname }) => hostname).join(', '),
    drones: hosts.map(droneOf),
    prepare: () => Promise.resolve(),
    planned: () => 'ok',
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
