/**
 * What every agent does, wherever it lives: takes frames, runs the calls of each batch in their order, and sends answers,
 * warnings, output and files. How a call runs, and what its frames travel on, is its host's.
 */
import { decode, encode } from '../wire/codec/codec.js';
import { FrameReader } from '../wire/frames.js';
import { type AgentConfig, type CallHead, FrameType, PROTOCOL_VERSION, type ReadyReport } from '../wire/messages.js';
import type { AgentLink, AgentStream } from './agent-link.js';
import { Batches } from './batches.js';
import { Cancelled, type CallContext } from './call-context.js';
import { failed, messageOf, type Outcome, returned } from './outcome.js';
import { OutputStream } from './output-stream.js';
import type { RunningCall } from './running-call.js';
import { TransferStream } from './transfer-stream.js';

const NO_BATCH = 0;

export interface AgentHost {
  readonly link: AgentLink;
  /** Runs a call; what it throws is how the call failed, a Cancelled that it was ended. */
  execute(call: CallHead, context: CallContext, batch: number, index: number): Promise<Outcome>;
  /** How long a cancelled call may take to end before it is answered without knowing its end, ms. */
  cancelWaitMs(config: AgentConfig): number;
  /** Looks at each frame first; true when it has dealt with it. */
  take?(type: number, batch: number, index: number, payload: Uint8Array): boolean;
  configured?(config: AgentConfig): void;
}

export class AgentCore {
  readonly #host: AgentHost;
  readonly #link: AgentLink;
  readonly #batches: Batches;
  /** By batch, which runs one call at a time. */
  readonly #streams = new Map<number, AgentStream>();
  readonly #reader = new FrameReader((type, batch, index, payload) => {
    if (this.#host.take?.(type, batch, index, payload) !== true) this.#take(type, batch, index, payload);
  });
  #config: AgentConfig = { env: {}, killGraceMs: 2000, linkSilenceMs: 120_000 };

  constructor(host: AgentHost) {
    const { link } = host;
    this.#host = host;
    this.#link = link;
    this.#batches = new Batches({
      execute: (batch, index, call, running) => this.#execute(batch, index, call, running),
      answer: (batch, index, outcome) => {
        link.send(outcome.type, batch, outcome.index ?? index, outcome.payload);
        // Out before the next call starts: that one may be the end of the agent, or of its machine.
        link.flush?.();
        return link.drained?.() ?? Promise.resolve();
      },
      cancelWaitMs: () => host.cancelWaitMs(this.#config),
    });
  }

  get config(): AgentConfig {
    return this.#config;
  }

  /** Takes calls from now on. */
  ready(process?: { readonly pid: number; readonly version: string }): void {
    const report: ReadyReport = { protocol: PROTOCOL_VERSION, pid: process?.pid, nodeVersion: process?.version };
    this.#link.send(FrameType.Ready, NO_BATCH, 0, encode(report));
  }

  /** Takes bytes from the controller. Throws for what makes no sense; the stream is then of no more use. */
  receive(bytes: Uint8Array): void {
    this.#reader.push(bytes);
  }

  warn(message: string, batch = NO_BATCH, index = 0): void {
    this.#link.send(FrameType.Warning, batch, index, encode(message));
  }

  /** Starts nothing more and ends what runs; resolves when it has ended, or the wait for it is over. */
  stop(): Promise<void> {
    for (const stream of this.#streams.values()) stream.close();
    return this.#batches.stop();
  }

  #take(type: number, batch: number, index: number, payload: Uint8Array): void {
    switch (type) {
      case FrameType.Config:
        this.#config = decode(payload) as AgentConfig;
        this.#host.configured?.(this.#config);
        return;
      case FrameType.Call:
        this.#batches.add(batch, index, payload);
        return;
      case FrameType.Cancel:
        this.#batches.cancel(batch, index);
        return;
      case FrameType.Credit:
      case FrameType.Data:
      case FrameType.DataEnd: {
        const stream = this.#streams.get(batch);
        // What is for a call that is over was on its way when it ended.
        if (stream?.index === index) stream.take(type, payload);
        return;
      }
      case FrameType.Ping:
        this.#link.send(FrameType.Pong, batch, index);
        return;
      default:
        this.warn(`the agent does not know frames of type ${String(type)}; it left one out`);
    }
  }

  async #execute(batch: number, index: number, call: CallHead, running: RunningCall): Promise<Outcome | Cancelled> {
    const context: CallContext = {
      get signal() {
        return running.signal;
      },
      killGraceMs: this.#config.killGraceMs,
      output: call.streams ? this.#open(batch, new OutputStream(this.#link, batch, index, running.signal)) : undefined,
      warn: message => {
        this.warn(message, batch, index);
      },
      openTransfer: order => this.#open(batch, new TransferStream(this.#link, batch, index, order)),
    };
    try {
      return await this.#host.execute(call, context, batch, index);
    } catch (error) {
      if (error instanceof Cancelled) return error;
      if (!call.isKill) return failed('call', error);
      context.warn(`processes could not be killed: ${messageOf(error)}`);
      return returned([]);
    } finally {
      this.#streams.get(batch)?.close();
      this.#streams.delete(batch);
    }
  }

  #open<T extends AgentStream>(batch: number, stream: T): T {
    this.#streams.set(batch, stream);
    return stream;
  }
}
