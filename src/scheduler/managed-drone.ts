/** The drones that a manager can work with. */
import type { Drone } from '../drone/drone.js';
import type { UtilityMethods } from '../utility.js';

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
