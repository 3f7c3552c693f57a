/**
 * Plays the agent for a drone without Node: it lives on the worker thread and runs each command on its own exec channel, as
 * it does the scripts of the other built-in methods. It speaks the same frames and keeps the same order, but does not serve
 * the user's own methods.
 */
import { suggestion } from '../../../../option/near-name.js';
import { AgentCore } from '../../../agent/agent-core.js';
import { decodeArguments } from '../../../agent/arguments.js';
import type { CallContext } from '../../../agent/call-context.js';
import { framesBehindBundle } from '../../../agent/loader.js';
import { failed, type Outcome, returned } from '../../../agent/outcome.js';
import { encodeFrame } from '../../../wire/frames.js';
import { AGENT_ABANDONED, type CallHead, decodeCall, FrameType, type Output } from '../../../wire/messages.js';
import { type AgentStart, type Channel, type ChannelEvents, NO_NODE, TransportError } from '../../transport.js';
import { CommandLost, type PlainDrone } from './channel-run.js';
import { type ConnectAgain, Ender } from './ender.js';
import { ExecSlots } from './exec-slots.js';
import { isPlainMethod, plainMethods } from './methods/methods.js';
import { PipeKeeper } from './pipe-keeper.js';
import type { Server } from './server.js';

/** Time to start the command that ends another one, perhaps over a second connection. */
const CANCEL_MARGIN_MS = 2500;

export interface PlainAgentOptions {
  readonly server: Server;
  readonly start: AgentStart;
  readonly events: ChannelEvents;
  /** Why there is no agent, for messages: `web1 has no Node`. */
  readonly reason: string;
  readonly connectAgain: ConnectAgain;
}

export class PlainAgent implements Channel {
  readonly #options: PlainAgentOptions;
  readonly #server: Server;
  readonly #gone = new AbortController();
  readonly #slots: ExecSlots;
  readonly #ender: Ender;
  readonly #keeper: PipeKeeper;
  readonly #core = new AgentCore({
    link: {
      send: (type, batch, index, payload) => {
        if (type === FrameType.Failed) this.#refusals.delete(batch);
        // What is answered after the connection's end does not arrive, so the call stays as it was.
        const isAnswer = type === FrameType.Failed || type === FrameType.Value;
        if (isAnswer && !this.#gone.signal.aborted) this.#begun.delete(batch);
        this.#send(type, batch, index, payload);
      },
    },
    execute: (call, context, batch) => this.#execute(call, context, batch),
    cancelWaitMs: ({ killGraceMs }) => killGraceMs + CANCEL_MARGIN_MS,
    take: (type, batch, index, payload) => this.#take(type, batch, index, payload),
  });
  /** By batch, the answer to a call that cannot be served; it stands for the whole batch. */
  readonly #refusals = new Map<number, Outcome>();
  /** Batches whose call may have started. */
  readonly #begun = new Set<number>();
  #isOurEnd = false;
  /** What our end leaves behind. */
  #abandoned: Error | undefined;

  constructor(options: PlainAgentOptions) {
    const { server, start, events, connectAgain } = options;
    this.#options = options;
    this.#server = server;
    const gone = this.#gone.signal;
    this.#slots = new ExecSlots(server, gone);
    const way = { server, slots: this.#slots, connectAgain, gone };
    this.#ender = new Ender({ ...way, graceMs: () => this.#core.config.killGraceMs });
    this.#keeper = new PipeKeeper(way);
    server.onEnd(cause => {
      this.#gone.abort();
      events.end(this.#isOurEnd ? this.#abandoned : cause);
    });
    this.write(framesBehindBundle(start.input));
    events.data(Buffer.from(`${start.marker} ${NO_NODE}\n`));
    this.#core.ready();
  }

  write(bytes: Uint8Array): void {
    if (!this.#gone.signal.aborted) this.#core.receive(bytes);
  }

  mayHaveStarted(batch: number): boolean {
    return this.#begun.has(batch);
  }

  printed(batch: number): Output | undefined {
    return this.#core.printed(batch);
  }

  get awaited(): string | undefined {
    const { pids } = this.#ender;
    return pids.length === 0 ? undefined : unconfirmed(pids);
  }

  hold(): void {
    this.#server.hold();
  }

  release(): void {
    this.#server.release();
  }

  /**
   * Ends what runs, lets go of what lives on, then ends the connection. A call may be answered before its end is known: that
   * is awaited here.
   */
  close(): void {
    if (this.#isOurEnd) return;
    this.#isOurEnd = true;
    void this.#core
      .stop()
      .then(() => this.#ender.over())
      .then(pids => {
        if (pids.length > 0) this.#abandoned = Object.assign(new Error(unconfirmed(pids)), { code: AGENT_ABANDONED });
        return this.#keeper.over();
      })
      .then(() => this.#server.end());
  }

  destroy(): void {
    this.#isOurEnd = true;
    this.#server.destroy();
  }

  #take(type: number, batch: number, index: number, payload: Uint8Array): boolean {
    switch (type) {
      case FrameType.Call:
        this.#refuseUnknown(batch, index, payload);
        return false;
      case FrameType.Ping:
        this.#server.ping().then(
          () => this.#send(FrameType.Pong, batch, index),
          () => undefined, // the end of the connection is reported separately
        );
        return true;
      default:
        return type === FrameType.Utility; // of no use here
    }
  }

  #refuseUnknown(batch: number, index: number, payload: Uint8Array): void {
    const { method } = decodeCall(payload);
    if (isPlainMethod(method) || this.#refusals.has(batch)) return;
    const meant = suggestion(method, Object.keys(plainMethods));
    const what = meant === '' ? `${method} needs an agent` : `'${method}' is not a built-in method${meant}`;
    const why = `${what}, and ${this.#options.reason}; without an agent only the built-in methods work`;
    const error = Object.assign(new Error(why), { code: 'ERR_NO_AGENT' });
    this.#refusals.set(batch, { ...failed('call', error), index });
  }

  async #execute(call: CallHead, context: CallContext, batch: number): Promise<Outcome> {
    // A batch arrives whole: by then all of it was checked.
    await Promise.resolve();
    const refusal = this.#refusals.get(batch);
    if (refusal !== undefined) return refusal;
    const { method } = call;
    const serve = isPlainMethod(method) ? plainMethods[method] : undefined;
    const args = decodeArguments(method, call.args);
    try {
      return returned(await serve?.({ method, drone: this.#drone(batch), context }, ...args));
    } catch (error) {
      const isLost = error instanceof TransportError && error.kind === 'unreachable';
      // The connection's end, which may be yet to come, tells that the call has not started.
      if (isLost && !this.#begun.has(batch)) await new Promise<void>(resolve => this.#server.onEnd(() => resolve()));
      if (isLost || error instanceof CommandLost) return failed('lost', error, { output: this.printed(batch) });
      throw error;
    }
  }

  /** What a method of this batch needs of the connection. */
  #drone(batch: number): PlainDrone {
    return {
      server: this.#server,
      slots: this.#slots,
      ender: this.#ender,
      keeper: this.#keeper,
      env: this.#core.config.env,
      onRequest: () => void this.#begun.add(batch),
    };
  }

  #send(type: number, batch: number, index: number, payload?: Uint8Array): void {
    if (!this.#gone.signal.aborted) this.#options.events.data(encodeFrame(type, batch, index, payload));
  }
}

function unconfirmed(pids: readonly number[]): string {
  return `the drone has not confirmed the end of process ${pids.join(', ')}`;
}
