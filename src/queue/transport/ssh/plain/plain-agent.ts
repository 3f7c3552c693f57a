/**
 * Plays the agent for a drone that has no Node: it lives here, on the worker thread, and has each command run on an exec
 * channel of its own. It is spoken to in the same frames and keeps the same order; so nobody else sees a difference, but
 * that `run` and the ending of processes are all it can do.
 */
import { Batches } from '../../../agent/batches.js';
import { pidsArg } from '../../../agent/arguments.js';
import { Cancelled, type CallContext } from '../../../agent/call-context.js';
import { failed, messageOf, type Outcome, returned } from '../../../agent/outcome.js';
import { Outputs } from '../../../agent/outputs.js';
import { decode, encode } from '../../../wire/codec/codec.js';
import { decodeCredit } from '../../../wire/credits.js';
import { encodeFrame, FrameReader } from '../../../wire/frames.js';
import { framesBehindBundle } from '../../../agent/loader.js';
import { type AgentStart, type Channel, type ChannelEvents, NO_NODE, TransportError } from '../../transport.js';
import {
  type AgentConfig,
  type CallHead,
  decodeCall,
  FrameType,
  PROTOCOL_VERSION,
  type ReadyReport,
} from '../../../wire/messages.js';
import { type ConnectAgain, Ender } from './ender.js';
import { ExecSlots } from './exec-slots.js';
import { CommandLost, run } from './plain-run.js';
import type { Server } from './server.js';

/** A command is ended by another one, which has to be started first, perhaps over a connection of its own. */
const CANCEL_MARGIN_MS = 2500;
const LARGEST_PID = 2 ** 31 - 1;
const METHODS: readonly string[] = ['run', 'killProcesses'];

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
  readonly #reader = new FrameReader((type, batch, index, payload) => {
    this.#take(type, batch, index, payload);
  });
  readonly #batches = new Batches({
    execute: async (batch, index, call, running) => {
      try {
        return await this.#execute(batch, index, call, running.signal);
      } finally {
        this.#outputs.close(batch);
      }
    },
    answer: (batch, index, outcome) => {
      const refusal = this.#refusals.get(batch);
      this.#refusals.delete(batch);
      this.#send(outcome.type, batch, refusal?.outcome === outcome ? refusal.index : index, outcome.payload);
      return Promise.resolve();
    },
    cancelWaitMs: () => this.#config.killGraceMs + CANCEL_MARGIN_MS,
  });
  readonly #outputs = new Outputs({
    send: (batch, index, payload) => {
      this.#send(FrameType.Output, batch, index, payload);
    },
    congested: () => false,
    drained: () => Promise.resolve(),
  });
  /** Of batches with a call that cannot be served: the answer to that call, which stands for the whole batch. */
  readonly #refusals = new Map<number, { readonly index: number; readonly outcome: Outcome }>();
  #config: AgentConfig = { env: {}, killGraceMs: 2000, linkSilenceMs: Infinity };
  #isOurEnd = false;

  constructor(options: PlainAgentOptions) {
    const { server, start, events, connectAgain } = options;
    this.#options = options;
    this.#server = server;
    const gone = this.#gone.signal;
    this.#slots = new ExecSlots(server, gone);
    this.#ender = new Ender({
      server,
      slots: this.#slots,
      connectAgain,
      gone,
      graceMs: () => this.#config.killGraceMs,
    });
    server.onEnd(cause => {
      this.#gone.abort();
      events.end(this.#isOurEnd ? undefined : cause);
    });
    this.write(framesBehindBundle(start.input));
    events.data(Buffer.from(`${start.marker} ${NO_NODE}\n`));
    const ready: ReadyReport = { protocol: PROTOCOL_VERSION };
    this.#send(FrameType.Ready, 0, 0, encode(ready));
  }

  write(bytes: Uint8Array): void {
    if (!this.#gone.signal.aborted) this.#reader.push(bytes);
  }

  hold(): void {
    this.#server.hold();
  }

  release(): void {
    this.#server.release();
  }

  /** Ends what runs, then the connection. */
  close(): void {
    if (this.#isOurEnd) return;
    this.#isOurEnd = true;
    void this.#batches.stop().then(() => {
      this.#server.end();
    });
  }

  destroy(): void {
    this.#isOurEnd = true;
    this.#server.destroy();
  }

  #take(type: number, batch: number, index: number, payload: Uint8Array): void {
    switch (type) {
      case FrameType.Config:
        this.#config = decode(payload) as AgentConfig;
        return;
      case FrameType.Call:
        this.#refuseUnknown(batch, index, payload);
        this.#batches.add(batch, index, payload);
        return;
      case FrameType.Cancel:
        this.#batches.cancel(batch, index);
        return;
      case FrameType.Credit:
        this.#outputs.credit(batch, index, decodeCredit(payload));
        return;
      case FrameType.Ping:
        this.#server.ping().then(
          () => {
            this.#send(FrameType.Pong, batch, index);
          },
          () => undefined, // the end of the connection is told by itself
        );
        return;
      default: // a utility module, which is of no use here
    }
  }

  #refuseUnknown(batch: number, index: number, payload: Uint8Array): void {
    const { method } = decodeCall(payload);
    if (METHODS.includes(method) || this.#refusals.has(batch)) return;
    const why = `${method} needs an agent, and ${this.#options.reason}; without one only run works`;
    const error = Object.assign(new Error(why), { code: 'ERR_NO_AGENT' });
    this.#refusals.set(batch, { index, outcome: failed('call', error) });
  }

  async #execute(batch: number, index: number, call: CallHead, signal: AbortSignal): Promise<Outcome> {
    // A batch comes in one piece: by then all of it has been looked at.
    await Promise.resolve();
    const refusal = this.#refusals.get(batch);
    if (refusal !== undefined) return refusal.outcome;
    const context: CallContext = {
      signal,
      killGraceMs: this.#config.killGraceMs,
      output: call.streams ? this.#outputs.open(batch, index, signal) : undefined,
      warn: message => {
        this.#send(FrameType.Warning, batch, index, encode(message));
      },
    };
    const args = decode(call.args) as unknown[];
    try {
      return returned(await (call.method === 'run' ? this.#run(context, args) : this.#kill(context, args)));
    } catch (error) {
      if (error instanceof Cancelled) throw error;
      // Whether the command was started before the connection went is not known.
      const isLost = error instanceof TransportError && error.kind === 'unreachable';
      if (isLost || error instanceof CommandLost) return failed('lost', error);
      if (!call.isKill) return failed('call', error);
      context.warn(`processes could not be killed: ${messageOf(error)}`);
      return returned([]);
    }
  }

  #run(context: CallContext, [command, options]: unknown[]): Promise<unknown> {
    const { env } = this.#config;
    return run({ server: this.#server, slots: this.#slots, ender: this.#ender, env }, context, command, options);
  }

  #kill(context: CallContext, [list]: unknown[]): Promise<{ pid: number; killed: boolean }[]> {
    return Promise.all(
      pidsArg('killProcesses: list', list).map(async pid => {
        if (pid > LARGEST_PID) return { pid, killed: true };
        const word = pid > 1 ? await this.#ender.end({ kind: 'any', pid }) : 'system';
        if (word === 'system') {
          context.warn(`killProcesses: process ${String(pid)} is left alone: it is the system's`);
        } else if (word !== 'gone') {
          const why = word === 'refused' ? 'the drone may not signal it' : 'it is still there after KILL';
          context.warn(`killProcesses: process ${String(pid)} is not killed: ${why}`);
        }
        return { pid, killed: word === 'gone' };
      }),
    );
  }

  #send(type: number, batch: number, index: number, payload?: Uint8Array): void {
    if (!this.#gone.signal.aborted) this.#options.events.data(encodeFrame(type, batch, index, payload));
  }
}
