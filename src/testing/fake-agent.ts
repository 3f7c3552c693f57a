/** Plays the agent of a FakeDrone, on the main thread: the same frames, the same order of calls, functions for methods. */
import { AgentCore } from '../queue/agent/agent-core.js';
import type { CallContext } from '../queue/agent/call-context.js';
import { type Outcome, returned } from '../queue/agent/outcome.js';
import { decode } from '../queue/wire/codec/codec.js';
import type { FarEnd, RelayedChannel } from '../queue/drone/endpoint.js';
import type { ProcessId } from '../queue/wire/methods.js';
import { encodeFrame } from '../queue/wire/frames.js';
import { type CallHead, decodeCall, FrameType } from '../queue/wire/messages.js';
import { Printer } from './printer.js';
import { BREAK_THREAD } from './fake-transport.js';

/** A call as it reached a FakeDrone. */
export interface FakeCall {
  readonly method: string;
  readonly args: readonly unknown[];
}

/**
 * What a FakeDrone can be told to do wrong:
 *
 * - `refuse`, `refuse-login`, `refuse-host-key`, `refuse-agent`: no connection; kind `unreachable`, `auth`, `host-key`, `bootstrap`
 * - `hang`: a call never returns, but can be cancelled
 * - `freeze`: the agent answers nothing at all, cancels neither
 * - `die`: the connection is lost in mid-call
 * - `garbage`: the answer is no frame of ours; kind `protocol`
 * - `nonsense`: the answer is a frame of ours, with contents that are not; kind `protocol`
 * - `thread-exit`, `thread-out-of-memory`, `thread-loop`, `thread-throw`: the worker thread of the drone dies of it; only
 *   for ThreadedTaskQueue, as the thread of a DroneTaskQueue is your own
 */
export type FakeFault =
  | 'refuse'
  | 'refuse-login'
  | 'refuse-host-key'
  | 'refuse-agent'
  | 'hang'
  | 'freeze'
  | 'die'
  | 'garbage'
  | 'nonsense'
  | 'thread-exit'
  | 'thread-out-of-memory'
  | 'thread-loop'
  | 'thread-throw';

const REFUSALS: Partial<Record<FakeFault, string>> = {
  refuse: 'unreachable',
  'refuse-login': 'auth',
  'refuse-host-key': 'host-key',
  'refuse-agent': 'bootstrap',
};

/** An announced length of 4 GiB: what a liar would send. */
const GARBAGE = new Uint8Array(32).fill(0xff);

/** What the agent needs of its drone. */
export interface FakeAgentDrone {
  readonly methods: Readonly<Record<string, unknown>>;
  fault(): FakeFault | undefined;
  /** Gives the list in which the calls of a new batch are recorded. */
  newBatch(): FakeCall[];
  gotKills(list: readonly ProcessId[]): void;
  ended(): void;
}

export class FakeAgent implements FarEnd {
  readonly #channel: RelayedChannel;
  readonly #drone: FakeAgentDrone;
  /** A batch comes whole, so only the last one can still grow. */
  #recorded: { readonly batch: number; readonly calls: FakeCall[] } = { batch: 0, calls: [] };
  readonly #core = new AgentCore({
    link: {
      send: (type, batch, index, payload) => {
        this.#channel.send(encodeFrame(type, batch, index, payload));
      },
    },
    execute: (call, context, batch, index) => this.#execute(call, context, batch, index),
    cancelWaitMs: () => 0,
    take: (type, batch, _index, payload) => {
      if (type === FrameType.Call) this.#note(batch, payload);
      return this.#drone.fault() === 'freeze';
    },
  });
  /** Of the calls that run, in the order they started. */
  readonly #printers = new Set<Printer>();

  constructor(channel: RelayedChannel, drone: FakeAgentDrone) {
    this.#channel = channel;
    this.#drone = drone;
    // Not before the caller has this agent in its books.
    queueMicrotask(() => {
      this.#start();
    });
  }

  receive(bytes: Uint8Array): void {
    this.#core.receive(bytes);
  }

  ended(): void {
    this.#drone.ended();
    void this.#core.stop();
  }

  /** Of the call that started last of those that run. */
  get printer(): Printer | undefined {
    return [...this.#printers].at(-1);
  }

  /** Ends the connection, as a drone that goes away. */
  leave(): void {
    this.#end(undefined);
  }

  #start(): void {
    const fault = this.#drone.fault();
    const refusal = fault && REFUSALS[fault];
    if (refusal !== undefined) {
      this.#end(Object.assign(new Error(`the fake drone refuses: ${refusal}`), { code: refusal }));
      return;
    }
    this.#channel.send(Buffer.from(`${this.#channel.marker} ${process.version}\n`));
    this.#core.ready(process);
  }

  #end(cause: Error | undefined): void {
    this.#channel.end(cause);
    this.ended();
  }

  #note(batch: number, payload: Uint8Array): void {
    const { isKill, method, args } = decodeCall(payload);
    if (isKill) {
      this.#drone.gotKills((decode(args) as [ProcessId[]])[0]);
      return;
    }
    if (batch !== this.#recorded.batch) this.#recorded = { batch, calls: this.#drone.newBatch() };
    this.#recorded.calls.push({ method, args: decode(args) as unknown[] });
  }

  async #execute(call: CallHead, context: CallContext, batch: number, index: number): Promise<Outcome> {
    switch (this.#drone.fault()) {
      case undefined:
        break;
      case 'die':
        this.#end(new Error('the fake drone died'));
        return NEVER;
      case 'garbage':
        this.#channel.send(GARBAGE);
        return NEVER;
      case 'nonsense':
        this.#channel.send(encodeFrame(FrameType.Failed, batch, index, GARBAGE));
        return NEVER;
      case 'thread-exit':
      case 'thread-out-of-memory':
      case 'thread-loop':
      case 'thread-throw':
        this.#end(Object.assign(new Error(this.#drone.fault()), { code: BREAK_THREAD }));
        return NEVER;
      default:
        return NEVER;
    }
    const method = methodOf(this.#drone.methods, call.method);
    if (call.isKill && method === undefined) {
      const [list] = decode(call.args) as [ProcessId[]];
      return returned(list.map(({ pid }) => ({ pid, killed: true })));
    }
    if (typeof method !== 'function') {
      const error = new Error(`there is no method '${call.method}' on this fake drone`);
      throw Object.assign(error, { code: 'ERR_NO_METHOD' });
    }
    const printer = new Printer(context.output);
    this.#printers.add(printer);
    try {
      const value: unknown = await Reflect.apply(method, this.#drone.methods, decode(call.args) as unknown[]);
      await printer.printed;
      if (!context.signal.aborted) return returned(value);
    } finally {
      this.#printers.delete(printer);
    }
    return NEVER;
  }
}

/** The methods may be those of a class; but no object is asked for `toString`. */
function methodOf(methods: Readonly<Record<string, unknown>>, name: string): unknown {
  return name in Object.prototype && !Object.hasOwn(methods, name) ? undefined : methods[name];
}

/** The outcome of a call that gives none by itself. */
const NEVER = new Promise<never>(() => undefined);
