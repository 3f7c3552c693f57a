/** The drones that a manager can work with. */
import type { Drone } from '../queue/drone/drone.js';
import type { UtilityMethods } from '../queue/wire/methods.js';

/** A drone with the methods that a drone manager calls: any but one of hosts without Node, and a fake that has them. */
export type ManagedDrone = Drone<
  Pick<
    UtilityMethods,
    | 'initialize'
    | 'refresh'
    | 'executeCommand'
    | 'writeToFile'
    | 'copyFileOrDirectory'
    | 'getFile'
    | 'getDirectory'
    | 'putFile'
    | 'putDirectory'
  >
>;
