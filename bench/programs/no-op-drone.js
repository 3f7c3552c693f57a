// A drone whose agent is played in the worker thread, by no-op-transport.js.
import { Drone } from 'drone-task-queue';
import { Endpoint } from '../../dist/queue/drone/endpoint.js';

const TRANSPORT = new URL('./no-op-transport.js', import.meta.url).href;

/** @extends {Drone<{ noOp(): void }>} */
export class NoOpDrone extends Drone {
  /** @param {string} hostname */
  constructor(hostname) {
    // @ts-expect-error -- internal, and so not in the types: drones of other kinds are not for users to make
    super(hostname, new Endpoint({ transport: TRANSPORT, key: `no-op:${hostname}`, hostname }));
  }
}
