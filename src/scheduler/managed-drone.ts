import type { Drone } from '../queue/drone/drone.js';
import type { UtilityMethods } from '../queue/wire/methods.js';

/** A drone with the methods that a drone manager calls: every drone on a host with Node, or a fake that has them. */
export type ManagedDrone = Drone<
  Pick<
    UtilityMethods,
    | 'initialize'
    | 'refresh'
    | 'executeCommand'
    | 'appendToFile'
    | 'copyFileOrDirectory'
    | 'getFile'
    | 'getDirectory'
    | 'putFile'
    | 'putDirectory'
  >
>;
