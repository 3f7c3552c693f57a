/** The agent of a FakeDrone on the main thread: the same frames and order of calls, with functions for methods. */
import { invalidArgument } from '../option/invalid-argument.js';
import { suggestion } from '../option/near-name.js';
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

/** A call that reached a FakeDrone. */
export interface FakeCall {
  readonly method: string;
  readonly args: readonly unknown[];
}

/**
 * Faults that a FakeDrone simulates:
 *
 * - `refuse`, `refuse-login`, `refuse-host-key`, `refuse-agent`: no connection; kind `unreachable` (`causeCode`
 *   `ECONNREFUSED`), `auth`, `host-key` (`ERR_HOST_KEY_UNKNOWN`), `bootstrap`. A refused login and a missing Node have
 *   no `causeCode` on a real drone either
 * - `hang`: a call never returns, but can be cancelled
 * - `freeze`: the agent answers nothing, not even a cancel
 * - `die`: the connection is lost during the call
 * - `garbage`: the answer is not a frame; kind `protocol`
 * - `nonsense`: the answer is a frame with malformed contents; kind `protocol`
 * - `thread-exit`, `thread-out-of-memory`, `thread-loop`, `thread-throw`: the drone's worker thread dies; only for
 *   ThreadedTaskQueue, because a DroneTaskQueue runs on your own thread
 */
export type FakeFault =
  | ('refuse' | 'refuse-login' | 'refuse-host-key' | 'refuse-agent')
  | ('hang' | 'freeze' | 'die' | 'garbage' | 'nonsense')
  | ('thread-exit' | 'thread-out-of-memory' | 'thread-loop' | 'thread-throw');

type Refusal = Extract<FakeFault, `refuse${string}`>;

/** Each fault with the kind of its refusal, if it is one. */
const FAULTS: Record<Refusal, string> & Record<Exclude<FakeFault, Refusal>, undefined> = {
  refuse: 'unreachable',
  'refuse-login': 'auth',
  'refuse-host-key': 'host-key',
  'refuse-agent': 'bootstrap',
  hang: undefined,
  freeze: undefined,
  die: undefined,
  garbage: undefined,
  nonsense: undefined,
  'thread-exit': undefined,
  'thread-out-of-memory': undefined,
  'thread-loop': undefined,
  'thread-throw': undefined,
};

/** Throws a TypeError (`ERR_INVALID_ARG`). */
export function checkFault(fault: unknown): void {
  if (typeof fault === 'string' && Object.hasOwn(FAULTS, fault)) return;
  const names = Object.keys(FAULTS);
  const meant = suggestion(String(fault), names);
  const expected = `one of ${names.join(', ')}${meant}; for a slow drone let its method await a Gate`;
  throw invalidArgument('fault', fault, expected);
}

/** Announces a length of 4 GiB. */
const GARBAGE = new Uint8Array(32).fill(0xff);

/** What a FakeDrone shares with its agents. */
export interface FakeDroneState {
  readonly methods: Readonly<Record<string, unknown>>;
  readonly batches: FakeCall[][];
  readonly kills: ProcessId[];
  readonly agents: Set<FakeAgent>;
  fault: FakeFault | undefined;
}

export class FakeAgent implements FarEnd {
  readonly #channel: RelayedChannel;
  readonly #drone: FakeDroneState;
  /** A batch arrives whole, so only the last one can grow. */
  #recorded: { readonly batch: number; readonly calls: FakeCall[] } = { batch: 0, calls: [] };
  readonly #core = new AgentCore({
    link: {
      send: (type, batch, index, payload) => this.#channel.send(encodeFrame(type, batch, index, payload)),
    },
    execute: (call, context, batch, index) => this.#execute(call, context, batch, index),
    cancelWaitMs: () => 0,
    take: (type, batch, _index, payload) => {
      if (type === FrameType.Call) this.#note(batch, payload);
      return this.#drone.fault === 'freeze';
    },
  });
  /** Of the running calls, in the order they started. */
  readonly #printers = new Set<Printer>();

  constructor(channel: RelayedChannel, drone: FakeDroneState) {
    this.#channel = channel;
    this.#drone = drone;
    drone.agents.add(this);
    // The caller has to know this agent before its first frame.
    queueMicrotask(() => this.#start());
  }

  receive(bytes: Uint8Array): void {
    this.#core.receive(bytes);
  }

  ended(): void {
    this.#drone.agents.delete(this);
    void this.#core.stop();
  }

  /** Of the running call that started last. */
  get printer(): Printer | undefined {
    return [...this.#printers].at(-1);
  }

  leave(): void {
    this.#end(undefined);
  }

  #start(): void {
    const { fault } = this.#drone;
    const refusal = fault && FAULTS[fault];
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
      this.#drone.kills.push(...(decode(args) as [ProcessId[]])[0]);
      return;
    }
    if (batch !== this.#recorded.batch) {
      this.#recorded = { batch, calls: [] };
      this.#drone.batches.push(this.#recorded.calls);
    }
    this.#recorded.calls.push({ method, args: decode(args) as unknown[] });
  }

  async #execute(call: CallHead, context: CallContext, batch: number, index: number): Promise<Outcome> {
    const { fault } = this.#drone;
    switch (fault) {
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
        this.#end(Object.assign(new Error(fault), { code: BREAK_THREAD }));
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
      return returned(value);
    } finally {
      this.#printers.delete(printer);
    }
  }
}

/** Also finds methods of a class, but not those of every object, such as `toString`. */
function methodOf(methods: Readonly<Record<string, unknown>>, name: string): unknown {
  return name in Object.prototype && !Object.hasOwn(methods, name) ? undefined : methods[name];
}

/** The outcome of a call that never settles by itself. */
const NEVER = new Promise<never>(() => undefined);
