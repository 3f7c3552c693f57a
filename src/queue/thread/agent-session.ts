/**
 * One agent, from the first attempt to reach its drone: takes a turn to connect, keeps the clock, awaits Ready, and from
 * then on tells what the agent says.
 */
import { onAbort } from '../../wait/abort.js';
import { decode } from '../wire/codec/codec.js';
import { type FrameHandler, ProtocolError } from '../wire/frames.js';
import {
  type Channel,
  type ChannelEvents,
  type Pause,
  type Transport,
  type TransportContext,
  TransportError,
} from '../transport/transport.js';
import type { Line } from '../../wait/line.js';
import {
  type Answer,
  type DownKind,
  type EndpointSpec,
  FrameType,
  type Phase,
  PROTOCOL_VERSION,
  type Question,
  type ReadyReport,
  type ThreadSettings,
} from '../wire/messages.js';
import { describeFailedStart, newAgentStart, saidAtStart } from './agent-start.js';
import { AgentStream } from './agent-stream.js';
import { ConnectClock } from './connect-clock.js';
import { inTurn } from './connect-turn.js';

const MAX_STDERR_CHARS = 4096;

/** What a session needs of the thread it is in. */
export interface SessionOwner {
  readonly settings: ThreadSettings;
  /** Turns to connect. */
  readonly turns: Line;
  loadTransport(name: string): Promise<Transport>;
  relay(key: string, marker: string, events: ChannelEvents): Channel;
  ask(question: Question, signal?: AbortSignal): Promise<Answer>;
}

/** Told of an agent that is ready, but for `phase`. */
export interface SessionEvents {
  /** How far the start has come. */
  phase(phase: Phase): void;
  /** Anything came. */
  heard(): void;
  /** May throw a ProtocolError, which ends the session. */
  readonly frame: FrameHandler;
  diagnostics(text: string): void;
  /** Nothing more comes. The channel may still have to be destroyed. */
  end(kind: DownKind, cause: Error): void;
}

export class AgentSession {
  readonly #spec: EndpointSpec;
  readonly #owner: SessionOwner;
  readonly #events: SessionEvents;
  readonly #abort = new AbortController();
  readonly #connectTimeoutMs: number;
  readonly #clock: ConnectClock;
  /** Of the agent's start, once there was one. */
  marker: string | undefined;
  #stream: AgentStream | undefined;
  #stderr = '';
  #isReady = false;
  #startError: TransportError | undefined;
  #failStart: (error: TransportError) => void = () => undefined;

  constructor(spec: EndpointSpec, owner: SessionOwner, events: SessionEvents) {
    this.#spec = spec;
    this.#owner = owner;
    this.#events = events;
    const { connectTimeoutMs = owner.settings.connectTimeoutMs } = spec;
    this.#connectTimeoutMs = connectTimeoutMs;
    this.#clock = new ConnectClock(connectTimeoutMs, () => {
      const late = `no agent within ${String(connectTimeoutMs)} ms${saidAtStart(this.#stderr, this.#noise)}`;
      this.abort(new TransportError('timeout', late));
    });
  }

  /** Spent connecting so far, without waiting, ms. */
  get tookMs(): number {
    return this.#clock.tookMs;
  }

  /** Gives up a start; later it has no effect. */
  abort(error: TransportError): void {
    this.#abort.abort(error);
  }

  /**
   * Starts the agent; what is not `held` keeps no process alive. `onChannel` gets the channel as soon as there is one,
   * `onReady` runs in the turn in which the agent says that it is: what it says next finds all in place. Rejects with a
   * TransportError.
   */
  async start(
    held: boolean,
    onChannel: (channel: Channel) => void,
    onReady: (report: ReadyReport) => void,
  ): Promise<void> {
    try {
      await this.#start(held, onChannel, onReady);
    } catch (error) {
      throw error instanceof TransportError
        ? error
        : new TransportError('unreachable', String(error), { cause: error });
    } finally {
      this.#clock.stop();
    }
  }

  async #start(
    held: boolean,
    onChannel: (channel: Channel) => void,
    onReady: (report: ReadyReport) => void,
  ): Promise<void> {
    const { signal } = this.#abort;
    const start = await newAgentStart(this.#spec, this.#owner.settings);
    signal.throwIfAborted();
    this.marker = start.marker;
    const ready = this.#awaitReady(start.marker, signal);
    // The transport's own rejection tells more; without it this one is still awaited below.
    ready.catch(() => undefined);
    const transport = await this.#owner.loadTransport(this.#spec.transport);
    signal.throwIfAborted();
    const onWait = (): void => this.#moveTo('waiting');
    await inTurn(this.#owner.turns, signal, onWait, async pause => {
      const context = this.#context(held, signal, pause);
      onChannel(await transport.open(this.#spec, start, this.#channelEvents(), context));
      this.#moveTo('bootstrap');
      const report = await ready;
      signal.throwIfAborted();
      // Of what came right behind Ready, before this could go on.
      if (this.#startError) throw this.#startError;
      this.#isReady = true;
      onReady(report);
    });
  }

  #context(held: boolean, signal: AbortSignal, pause: Pause): TransportContext {
    const { settings, turns } = this.#owner;
    return {
      connectTimeoutMs: this.#connectTimeoutMs,
      keepaliveIntervalMs: settings.keepaliveIntervalMs,
      keepaliveCount: settings.keepaliveCount,
      maxConnectingPerAddress: settings.maxConnectingPerAddress,
      killGraceMs: settings.killGraceMs,
      held,
      signal,
      phase: this.#moveTo,
      pause,
      openShared: (shared, onWait, open) => inTurn(turns, shared, onWait, open),
      relay: (key, marker, events) => this.#owner.relay(key, marker, events),
      ask: (question, asker) => this.#owner.ask(question, asker),
    };
  }

  readonly #moveTo = (phase: Phase): void => {
    if (phase === 'waiting') this.#clock.pause();
    else this.#clock.run();
    this.#events.phase(phase);
  };

  #awaitReady(marker: string, signal: AbortSignal): Promise<ReadyReport> {
    return new Promise((resolve, reject) => {
      const stream = new AgentStream(marker, (type, batch, index, payload, frame) => {
        if (this.#isReady) this.#events.frame(type, batch, index, payload, frame);
        else if (type === FrameType.Ready) resolve(checkReady(decode(payload), stream.nodeVersion));
        else throw new ProtocolError(`a frame of type ${String(type)} before the agent was ready`);
      });
      this.#stream = stream;
      this.#failStart = reject;
      onAbort(signal, reject);
    });
  }

  get #noise(): string {
    return this.#stream?.noise ?? '""';
  }

  #channelEvents(): ChannelEvents {
    return {
      data: chunk => {
        this.#receive(chunk);
      },
      diagnostics: chunk => {
        const text = Buffer.from(chunk).toString('utf8');
        if (this.#isReady) this.#events.diagnostics(text.trimEnd().slice(0, MAX_STDERR_CHARS));
        else this.#stderr = (this.#stderr + text).slice(-MAX_STDERR_CHARS);
      },
      end: cause => {
        if (this.#isReady) {
          this.#events.end('lost', cause ?? new Error('the agent ended'));
          return;
        }
        const message = describeFailedStart(cause, this.#stderr, this.#noise);
        this.#failStart(new TransportError('bootstrap', message, { cause }));
      },
    };
  }

  #receive(chunk: Uint8Array): void {
    if (this.#isReady) this.#events.heard();
    try {
      this.#stream?.push(chunk);
    } catch (error) {
      const known = error as TransportError;
      if (this.#isReady) this.#events.end(known.kind, known);
      else {
        this.#startError ??= known;
        this.#failStart(known);
      }
    }
  }
}

function checkReady(report: unknown, nodeVersion: string | undefined): ReadyReport {
  const { protocol, pid } = (report ?? {}) as Partial<ReadyReport>;
  if (protocol !== PROTOCOL_VERSION) {
    throw new ProtocolError(`the agent speaks version ${String(protocol)}, expected ${String(PROTOCOL_VERSION)}`);
  }
  // It becomes part of the text of a command, where the agent has to be killed.
  return { protocol, pid: Number.isSafeInteger(pid) ? pid : undefined, nodeVersion };
}
