/** One agent: takes a turn to connect, keeps the connect timeout, awaits Ready, and then passes on the agent's frames. */
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
import type { Semaphore } from '../../wait/semaphore.js';
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

export interface SessionOwner {
  readonly settings: ThreadSettings;
  /** Turns to connect. */
  readonly turns: Semaphore;
  loadTransport(name: string): Promise<Transport>;
  relay(key: string, marker: string, events: ChannelEvents): Channel;
  ask(question: Question, signal?: AbortSignal): Promise<Answer>;
}

/** Events from Ready on, except `phase`, which also comes earlier. */
export interface SessionEvents {
  phase(phase: Phase): void;
  /** Any bytes from the agent. */
  heard(): void;
  /** May throw a ProtocolError, which ends the session. */
  readonly frame: FrameHandler;
  diagnostics(text: string): void;
  /** No more bytes will come. The channel may still have to be destroyed. */
  end(kind: DownKind, cause: Error): void;
}

export class AgentSession {
  readonly #spec: EndpointSpec;
  readonly #owner: SessionOwner;
  readonly #events: SessionEvents;
  readonly #abort = new AbortController();
  readonly #connectTimeoutMs: number;
  readonly #clock: ConnectClock;
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
      const late = `no agent within ${String(connectTimeoutMs)} ms (connectTimeoutMs)${saidAtStart(this.#stderr, this.#noise)}`;
      this.abort(new TransportError('timeout', late));
    });
  }

  /** Time spent connecting, without waits, ms. */
  get tookMs(): number {
    return this.#clock.tookMs;
  }

  /** Aborts the start; no effect once ready. */
  abort(error: TransportError): void {
    this.#abort.abort(error);
  }

  /**
   * Starts the agent; one that is not `held` keeps no process alive. `onChannel` gets the channel as soon as it is open.
   * `onReady` runs in the turn of the Ready frame, before any further frame. Rejects with a TransportError.
   */
  async start(
    held: boolean,
    onChannel: (channel: Channel) => void,
    onReady: (report: ReadyReport) => void,
  ): Promise<void> {
    const { signal } = this.#abort;
    try {
      const start = await newAgentStart(this.#spec, this.#owner.settings);
      signal.throwIfAborted();
      this.marker = start.marker;
      const ready = this.#awaitReady(start.marker, signal);
      // The transport's own rejection says more; without one, this is awaited below.
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
        // From bytes right behind Ready, before this continued.
        if (this.#startError) throw this.#startError;
        this.#isReady = true;
        onReady(report);
      });
    } catch (error) {
      throw error instanceof TransportError
        ? error
        : new TransportError('unreachable', String(error), { cause: error });
    } finally {
      this.#clock.stop();
    }
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
      data: chunk => this.#receive(chunk),
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
  // The pid becomes part of a shell command when the agent has to be killed.
  return { protocol, pid: Number.isSafeInteger(pid) ? pid : undefined, nodeVersion };
}
