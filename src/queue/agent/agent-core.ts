/**
 * What every agent does, wherever it lives: it takes frames, runs the calls of each batch in order, and sends answers,
 * warnings, output and files. Its host decides how a call runs and what the frames travel on.
 */
import { decode, encode } from '../wire/codec/codec.js';
import { FrameReader } from '../wire/frames.js';
import {
  type AgentConfig,
  type CallHead,
  FrameType,
  type Output,
  PROTOCOL_VERSION,
  type ReadyReport,
} from '../wire/messages.js';
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
  /** Runs a call. A throw is the call's failure, or a Cancelled when a cancel ended it. */
  execute(call: CallHead, context: CallContext, batch: number, index: number): Promise<Outcome>;
  /** How long a cancelled call may take to end, ms; then it is answered with its end unknown. */
  cancelWaitMs(config: AgentConfig): number;
  /** Sees each frame first; returns true when it has handled it. */
  take?(type: number, batch: number, index: number, payload: Uint8Array): boolean;
  configured?(config: AgentConfig): void;
}

export class AgentCore {
  readonly #host: AgentHost;
  readonly #link: AgentLink;
  readonly #batches: Batches;
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
        // Flushed before the next call starts: that call may end the agent, or its machine.
        link.flush?.();
        return link.drained?.() ?? Promise.resolve();
      },
      cancelWaitMs: () => host.cancelWaitMs(this.#config),
    });
  }

  get config(): AgentConfig {
    return this.#config;
  }

  ready(process?: { readonly pid: number; readonly version: string }): void {
    const report: ReadyReport = { protocol: PROTOCOL_VERSION, pid: process?.pid, nodeVersion: process?.version };
    this.#link.send(FrameType.Ready, NO_BATCH, 0, encode(report));
  }

  /** Takes bytes from the controller. Throws for bytes that are not frames; the stream is then unusable. */
  receive(bytes: Uint8Array): void {
    this.#reader.push(bytes);
  }

  warn(message: string, batch = NO_BATCH, index = 0): void {
    this.#link.send(FrameType.Warning, batch, index, encode(message));
  }

  /** What the command of the batch's running call has printed; undefined where none runs. */
  printed(batch: number): Output | undefined {
    return this.#batches.printed(batch);
  }

  /** Starts nothing more and ends what runs. Resolves when that has ended or its time is over. */
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
        // A frame for an earlier call was under way when that call ended.
        if (stream?.index === index) stream.take(type, payload);
        return;
      }
      case FrameType.Ping:
        this.#link.send(FrameType.Pong, batch, index);
        return;
      default:
        this.warn(`the agent does not know frames of type ${String(type)}; it ignored one`);
    }
  }

  async #execute(batch: number, index: number, call: CallHead, running: RunningCall): Promise<Outcome | Cancelled> {
    const context = new ServedCall(running, {
      killGraceMs: this.#config.killGraceMs,
      output: call.streams ? this.#open(batch, new OutputStream(this.#link, batch, index, running.signal)) : undefined,
      warn: message => this.warn(message, batch, index),
      openTransfer: (request, files) =>
        this.#open(
          batch,
          new TransferStream(this.#link, batch, index, { ...request, wantsTotal: call.wantsTotal }, files),
        ),
    });
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

/** A class, since V8 makes an object literal with a getter slowly: it would cost more than the rest of a short call. */
class ServedCall implements CallContext {
  readonly killGraceMs: number;
  readonly output: CallContext['output'];
  readonly warn: CallContext['warn'];
  readonly openTransfer: CallContext['openTransfer'];
  readonly #running: RunningCall;

  constructor(
    running: RunningCall,
    { killGraceMs, output, warn, openTransfer }: Omit<CallContext, 'signal' | 'prints'>,
  ) {
    this.#running = running;
    this.killGraceMs = killGraceMs;
    this.output = output;
    this.warn = warn;
    this.openTransfer = openTransfer;
  }

  get signal(): AbortSignal {
    return this.#running.signal;
  }

  prints(read: () => Output): void {
    this.#running.readPrinted = read;
  }
}
