/**
 * Plays the agent for a drone that has no Node: it lives here, on the worker thread, and has each command run on an exec
 * channel of its own. It is spoken to in the same frames and keeps the same order; so nobody else sees a difference, but
 * that `run` and the ending of processes are all it can do.
 */
import { AgentCore } from '../../../agent/agent-core.js';
import { pidsArg } from '../../../agent/arguments.js';
import type { CallContext } from '../../../agent/call-context.js';
import { framesBehindBundle } from '../../../agent/loader.js';
import { failed, type Outcome, returned } from '../../../agent/outcome.js';
import { decode } from '../../../wire/codec/codec.js';
import { encodeFrame } from '../../../wire/frames.js';
import { type CallHead, decodeCall, FrameType } from '../../../wire/messages.js';
import { type AgentStart, type Channel, type ChannelEvents, NO_NODE, TransportError } from '../../transport.js';
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
  readonly #core = new AgentCore({
    link: {
      send: (type, batch, index, payload) => {
        if (type === FrameType.Failed) this.#refusals.delete(batch);
        this.#send(type, batch, index, payload);
      },
    },
    execute: (call, context, batch) => this.#execute(call, context, batch),
    cancelWaitMs: ({ killGraceMs }) => killGraceMs + CANCEL_MARGIN_MS,
    take: (type, batch, index, payload) => this.#take(type, batch, index, payload),
  });
  /** Of batches with a call that cannot be served: the answer to that call, which stands for the whole batch. */
  readonly #refusals = new Map<number, Outcome>();
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
      graceMs: () => this.#core.config.killGraceMs,
    });
    server.onEnd(cause => {
      this.#gone.abort();
      events.end(this.#isOurEnd ? undefined : cause);
    });
    this.write(framesBehindBundle(start.input));
    events.data(Buffer.from(`${start.marker} ${NO_NODE}\n`));
    this.#core.ready();
  }

  write(bytes: Uint8Array): void {
    if (!this.#gone.signal.aborted) this.#core.receive(bytes);
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
    void this.#core.stop().then(() => {
      this.#server.end();
    });
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
          () => {
            this.#send(FrameType.Pong, batch, index);
          },
          () => undefined, // the end of the connection is told by itself
        );
        return true;
      default:
        return type === FrameType.Utility; // of no use here
    }
  }

  #refuseUnknown(batch: number, index: number, payload: Uint8Array): void {
    const { method } = decodeCall(payload);
    if (METHODS.includes(method) || this.#refusals.has(batch)) return;
    const why = `${method} needs an agent, and ${this.#options.reason}; without one only run works`;
    const error = Object.assign(new Error(why), { code: 'ERR_NO_AGENT' });
    this.#refusals.set(batch, { ...failed('call', error), index });
  }

  async #execute(call: CallHead, context: CallContext, batch: number): Promise<Outcome> {
    // A batch comes in one piece: by then all of it has been looked at.
    await Promise.resolve();
    const refusal = this.#refusals.get(batch);
    if (refusal !== undefined) return refusal;
    const args = decode(call.args) as unknown[];
    try {
      return returned(await (call.method === 'run' ? this.#run(context, args) : this.#kill(context, args)));
    } catch (error) {
      // Whether the command was started before the connection went is not known.
      const isLost = error instanceof TransportError && error.kind === 'unreachable';
      if (isLost || error instanceof CommandLost) return failed('lost', error);
      throw error;
    }
  }

  #run(context: CallContext, [command, options]: unknown[]): Promise<unknown> {
    const { env } = this.#core.config;
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
