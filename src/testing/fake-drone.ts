/** A drone for the tests of those who use the package: its methods are functions of the test. */
import { Drone, moveTo } from '../queue/drone/drone.js';
import { Endpoint, type FarEnd, type RelayedChannel } from '../queue/drone/endpoint.js';
import type { ProcessId } from '../queue/wire/methods.js';
import { FakeAgent, type FakeCall, type FakeFault } from './fake-agent.js';

let lastFake = 0;

/**
 * A drone whose methods are functions, run on the caller's own thread, while its rounds take the real path: the batch
 * and each value cross the queue's worker thread and are encoded and decoded as for any other drone.
 *
 * ```ts
 * const drone = new FakeDrone('web1', { add: (a: number, b: number) => a + b });
 * const sum = drone.queueCall('add', 1, 2);
 * const results = await queue.execute([drone]);
 * assert.equal(sum.valueIn(results), 3);
 * ```
 */
export class FakeDrone<M extends object = object> extends Drone<M> {
  readonly #methods: M;
  readonly #batches: FakeCall[][] = [];
  readonly #kills: ProcessId[] = [];
  readonly #agents = new Set<FakeAgent>();
  #fault: FakeFault | undefined;

  /** `methods` may return promises. A FakeDrone has no built-in methods but those given here. */
  constructor(hostname: string, methods: M) {
    super(hostname, NOWHERE);
    this.#methods = methods;
    this.#move();
  }

  /** The batches it got, in order, with the calls as they arrived. */
  get batches(): readonly (readonly FakeCall[])[] {
    return this.#batches;
  }

  /** The processes it was told to kill. */
  get kills(): readonly ProcessId[] {
    return this.#kills;
  }

  /** Connections that are open to it. */
  get connections(): number {
    return this.#agents.size;
  }

  /**
   * Prints as the call that runs on it, or the last of them to have started: what a method of a real drone would print,
   * for the call's `onOutput` or `output()`. Resolves when there is room for more, that is when most of it was consumed.
   * Throws an Error with code `ERR_NO_CALL` when no call runs.
   */
  print(stream: 'stdout' | 'stderr', contents: string | Uint8Array): Promise<void> {
    const printer = [...this.#agents].findLast(agent => agent.printer !== undefined)?.printer;
    if (printer === undefined) {
      throw Object.assign(new Error(`${this.hostname}: no call runs that could print`), { code: 'ERR_NO_CALL' });
    }
    return printer.print(stream, typeof contents === 'string' ? Buffer.from(contents) : contents.slice());
  }

  /** From now on, for new rounds, this goes wrong; see {@link FakeFault}. */
  misbehave(fault: FakeFault): void {
    this.#fault = fault;
    // Whoever refuses connections has none.
    if (fault.startsWith('refuse')) this.#move();
  }

  /** From now on all is well again. */
  behave(): void {
    this.#fault = undefined;
  }

  /** A new endpoint, to which no connection is warm. */
  #move(): void {
    const key = `fake:${this.hostname}#${String(++lastFake)}`;
    const spec = { transport: new URL('./fake-transport.js', import.meta.url).href, key, hostname: this.hostname };
    moveTo(this, new Endpoint(spec, channel => this.#open(channel)));
    for (const agent of this.#agents) agent.leave();
  }

  #open(channel: RelayedChannel): FarEnd {
    const agent = new FakeAgent(channel, {
      methods: this.#methods as Readonly<Record<string, unknown>>,
      fault: () => this.#fault,
      newBatch: () => {
        const calls: FakeCall[] = [];
        this.#batches.push(calls);
        return calls;
      },
      gotKills: list => {
        this.#kills.push(...list);
      },
      ended: () => {
        this.#agents.delete(agent);
      },
    });
    this.#agents.add(agent);
    return agent;
  }
}

/** Until the drone has an endpoint of its own. */
const NOWHERE = new Endpoint({ transport: 'none', key: 'none', hostname: 'none' });
