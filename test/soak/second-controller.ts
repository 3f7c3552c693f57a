/** A second controller on some of the drones, in a process of its own, that ends well or is killed. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { SshDroneOptions } from 'drone-task-queue';
import type { Dice } from './dice.js';
import type { Farm } from './farm.js';
import type { Fault, Injected } from './fault.js';

const DRONES = 6;

/** What the ids of its calls begin with. */
export const SECOND_PREFIX = 'second-';

/** What the second controller gets as it starts. */
export interface SecondOrder {
  readonly prefix: string;
  readonly drones: readonly { readonly hostname: string; readonly ledger: string; readonly options: SshDroneOptions }[];
}

export class SecondController implements Fault {
  readonly name = 'second controller';
  readonly weight = 0.4;
  readonly #farm: Farm;
  #running: { readonly child: ChildProcess; readonly exited: Promise<unknown[]> } | undefined;
  #started = 0;

  constructor(farm: Farm) {
    this.#farm = farm;
  }

  /** Starts it; it ends with the fault. Undefined while there is one. */
  inject(dice: Dice): Injected | undefined {
    if (this.#running) return undefined;
    const reachable = this.#farm.members.flatMap(({ drone, ledger, options }) =>
      options ? [{ hostname: drone.hostname, ledger, options }] : [],
    );
    const drones = new Set(Array.from({ length: DRONES }, () => dice.pick(reachable)));
    const child = fork(new URL('./programs/second-program.ts', import.meta.url));
    this.#running = { child, exited: once(child, 'exit') };
    const order = { prefix: `${SECOND_PREFIX}${String(++this.#started)}`, drones: [...drones] };
    child.send(order);
    const isKilled = dice.chance(0.5);
    return {
      on: order.drones.map(drone => drone?.hostname).join(', '),
      end: () => this.#end(isKilled),
      lastsMs: dice.between(4000, 12_000),
    };
  }

  /** Ends it well. */
  end(): Promise<void> {
    return this.#end(false);
  }

  async #end(isKilled: boolean): Promise<void> {
    if (!this.#running) return;
    const { child, exited } = this.#running;
    if (isKilled) child.kill('SIGKILL');
    else if (child.connected) child.disconnect();
    const [status] = await exited;
    this.#running = undefined;
    if (!isKilled && status !== 0) throw new Error(`the second controller ended with status ${String(status)}`);
  }
}
