import { type CallDefaults, callDefaults } from '../queue/drone/call.js';
import { packageFile } from '../option/package-file.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { oneOf } from '../option/option-kinds.js';
import { Drone, moveTo } from '../queue/drone/drone.js';
import { readOptions, type Table } from '../option/option-table.js';
import { Endpoint } from '../queue/drone/endpoint.js';
import type { ProcessId, RunResult, UtilityMethods } from '../queue/wire/methods.js';
import { checkFault, FakeAgent, type FakeCall, type FakeDroneState, type FakeFault } from './fake-agent.js';

let lastFake = 0;

/** Options of a FakeDrone. */
export interface FakeDroneOptions {
  /** Options of its calls, unless `with` overrides them. Default: none. */
  defaults?: CallDefaults | undefined;
}

export const FAKE_DRONE = { defaults: callDefaults() } satisfies Table<FakeDroneOptions>;

/** Functions for the methods of `M`; each may be async. */
export type FakeImplementation<M> = {
  readonly [K in keyof M]: M[K] extends (...args: infer A) => infer R ? (...args: A) => R | Promise<R> : M[K];
};

/**
 * The methods of a FakeDrone as a caller sees them: as given, without promises. A fake with `run` is a `Drone`, so it
 * can replace a drone in code that takes drones; calling a built-in method that was not given fails with
 * `ERR_NO_METHOD`.
 */
export type FakeMethods<M> = {
  [K in keyof M]: M[K] extends (...args: infer A) => infer R ? (...args: A) => Awaited<R> : M[K];
} & (M extends { run: (command: string) => RunResult | Promise<RunResult> } ? Omit<UtilityMethods, keyof M> : unknown);

/**
 * A drone whose methods are functions on the caller's own thread. Its rounds take the real path: the queue's worker
 * thread encodes and decodes the batch and each value, as for any other drone.
 *
 * ```ts
 * const drone = new FakeDrone('web1', { add: (a: number, b: number) => a + b });
 * const sum = drone.queueCall('add', 1, 2);
 * const results = await queue.execute([drone]);
 * assert.equal(sum.valueIn(results), 3);
 * ```
 */
export class FakeDrone<M extends object = object> extends Drone<FakeMethods<M>> {
  readonly #state: FakeDroneState;

  /**
   * `methods` may return promises. A FakeDrone has no other methods, not even built-in ones. Throws a TypeError
   * (`ERR_INVALID_ARG`).
   */
  constructor(hostname: string, methods: M, options?: FakeDroneOptions);
  constructor(hostname: string, methods: FakeImplementation<M>, options?: FakeDroneOptions);
  constructor(hostname: string, methods: M | FakeImplementation<M>, options: FakeDroneOptions = {}) {
    super(hostname, NOWHERE, readOptions(FAKE_DRONE, options).defaults);
    if (typeof methods !== 'object' || methods === null)
      throw invalidArgument('methods', methods, 'an object of functions');
    const functions = methods as Readonly<Record<string, unknown>>;
    this.#state = { methods: functions, batches: [], kills: [], agents: new Set(), fault: undefined };
    this.#move();
  }

  /** The batches that arrived, in order, with their calls. */
  get batches(): readonly (readonly FakeCall[])[] {
    return this.#state.batches;
  }

  /** The processes that the drone was asked to kill. */
  get kills(): readonly ProcessId[] {
    return this.#state.kills;
  }

  /** Its open connections. */
  get connections(): number {
    return this.#state.agents.size;
  }

  /**
   * Prints on behalf of the running call that started last, for its `onOutput` or `output()`. Resolves when there is
   * room for more. Throws a TypeError (`ERR_INVALID_ARG`) for an unknown stream, and an Error:
   *
   * - `ERR_NO_CALL`: no call of the fake drone is running. Print from within a call, such as one that waits at a Gate.
   */
  print(stream: 'stdout' | 'stderr', contents: string | Uint8Array): Promise<void> {
    STREAM.read(stream, 'stream');
    const printer = [...this.#state.agents].findLast(agent => agent.printer !== undefined)?.printer;
    if (printer === undefined) {
      throw Object.assign(new Error(`${this.hostname}: no call is running that could print`), { code: 'ERR_NO_CALL' });
    }
    return printer.print(stream, typeof contents === 'string' ? Buffer.from(contents) : contents.slice());
  }

  /**
   * Simulates a {@link FakeFault} in new rounds, until `behave`. Throws a TypeError (`ERR_INVALID_ARG`) for an unknown
   * fault.
   */
  misbehave(fault: FakeFault): void {
    checkFault(fault);
    this.#state.fault = fault;
    // A drone that refuses connections must not have a warm one.
    if (fault.startsWith('refuse')) this.#move();
  }

  /** Ends the simulated fault. */
  behave(): void {
    this.#state.fault = undefined;
  }

  /** Moves to a new endpoint, which has no warm connection. */
  #move(): void {
    const key = `fake:${this.hostname}#${String(++lastFake)}`;
    const spec = { transport: packageFile('./fake-transport.js', import.meta.url).href, key, hostname: this.hostname };
    moveTo(this, new Endpoint(spec, channel => new FakeAgent(channel, this.#state)));
    for (const agent of this.#state.agents) agent.leave();
  }
}

const STREAM = oneOf('stdout', 'stderr').required;

/** Placeholder until the drone has its own endpoint. */
const NOWHERE = new Endpoint({ transport: 'none', key: 'none', hostname: 'none' });
