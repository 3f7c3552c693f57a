/**
 * A warm agent and the way to it, shared by all batches of one endpoint.
 *
 * A link is `opening` until its agent has said Ready: batches gather in it unsent, and share its fate. Then it is
 * `ready`: a batch is sent whole as soon as it comes, batches run side by side, and each answer must be to the call that
 * its batch awaits. Once `ended` it stays so; the dispatcher opens another when it needs one.
 *
 * Invariants: a batch in `#batches` is unsettled; while opening none of them is sent; when ended there are none.
 */
import { encode, decode } from '../codec.js';
import { describeFailedStart, MarkerSearch, newAgentStart, saidAtStart } from './agent-start.js';
import type { BatchRun } from './batch-run.js';
import { systemClock, type Timer } from '../clock.js';
import type { Outbox } from '../outbox.js';
import { type Channel, type ChannelEvents, type Transport, TransportError } from '../transport.js';
import type { Window } from './window.js';
import { encodeFrame, FrameReader, ProtocolError } from '../frames.js';
import {
  type Answer,
  type DownKind,
  type DownReport,
  type EndpointSpec,
  EVERY_CALL,
  FrameType,
  type LinkReport,
  type Phase,
  PHASES,
  PROTOCOL_VERSION,
  type Question,
  type ReadyReport,
  type ThreadSettings,
} from '../wire.js';

/**
 * How long after the kill grace an agent may take to say that the call is over, before it is held for dead. It needs up
 * to 700 ms itself; the rest is for the way there and back.
 */
const ANSWER_MARGIN_MS = 3000;
const MAX_STDERR_CHARS = 4096;

/** What a link needs of the dispatcher that owns it. */
export interface LinkOwner {
  readonly settings: ThreadSettings;
  readonly window: Window;
  /** To the main thread. */
  readonly outbox: Outbox;
  loadTransport(name: string): Promise<Transport>;
  relay(key: string, marker: string, events: ChannelEvents): Channel;
  ask(question: Question, signal?: AbortSignal): Promise<Answer>;
  ended(link: Link): void;
}

export class Link {
  readonly spec: EndpointSpec;
  readonly #owner: LinkOwner;
  readonly #opening = new AbortController();
  readonly #batches = new Map<number, BatchRun>();
  #state: 'opening' | 'ready' | 'ended' = 'opening';
  #phase: Phase = 'waiting';
  #channel: Channel | undefined;
  #stderr = '';
  /** What came in place of the agent's marker, quoted. */
  #noise = (): string => '""';
  #receive: (chunk: Uint8Array) => void = () => undefined;
  #endedWhileOpening: (cause: Error | undefined) => void = () => undefined;
  #closed: (() => void) | undefined;

  constructor(spec: EndpointSpec, owner: LinkOwner) {
    this.spec = spec;
    this.#owner = owner;
    void this.#open();
  }

  /** Takes a batch; sends it once that can be done. Returns whether that is now: the owner then calls `send`. */
  add(batch: BatchRun): boolean {
    this.#batches.set(batch.id, batch);
    if (this.#batches.size === 1) this.#channel?.hold();
    if (this.#state !== 'ready') {
      this.#enter(batch, this.#phase);
      return false;
    }
    this.#enter(batch, 'call');
    return true;
  }

  /**
   * Sends a batch to the agent. The main thread must have been told of its phase `call` before: should this thread die
   * in between, an untold batch would be held for not run and run twice.
   */
  send(batch: BatchRun): void {
    if (batch.settled || this.#state !== 'ready') return;
    batch.sent = true;
    batch.startCallClock(() => {
      this.#timeOut(batch);
    });
    // In front of the calls, none of which may then start before the agent knows.
    for (const index of batch.cancelledEarly) this.cancel(batch, index);
    this.#channel?.write(batch.frames);
  }

  /** Ends one call of a batch, now or when its turn comes, or the whole batch. */
  cancel(batch: BatchRun, index: number): void {
    if (batch.settled) return;
    if (batch.sent) {
      this.#channel?.write(encodeFrame(FrameType.Cancel, batch.id, index));
      if (index === EVERY_CALL || index === batch.next) {
        this.#awaitCancel(batch, 'cancelled', 'the agent did not end the cancelled call');
      }
    } else if (index === EVERY_CALL) {
      this.#settleDown(batch, 'cancelled', new TransportError('cancelled', 'cancelled before it was sent'));
      // Nobody waits for this connection any more; when it is opened for a later round, that has a fresh clock.
      if (this.#state === 'opening' && this.#batches.size === 0) {
        this.#opening.abort(new TransportError('cancelled', 'nobody waits for this connection'));
        // A batch that came before the transport has noticed would share the fate of the cancelled one.
        this.#owner.ended(this);
      }
    } else {
      batch.cancelledEarly.push(index);
    }
  }

  /** Keeps the agent from ending itself for silence. */
  ping(): void {
    if (this.#state === 'ready') this.#channel?.write(encodeFrame(FrameType.Ping, 0, 0));
  }

  /** Lets the agent end itself; resolves when it and the way to it are gone, by force after `graceMs`. */
  close(graceMs: number): Promise<void> {
    if (this.#state === 'ended') return Promise.resolve();
    if (this.#state === 'opening') {
      this.#opening.abort(new TransportError('cancelled', 'the queue was closed'));
      return Promise.resolve();
    }
    return new Promise(resolve => {
      const force = setTimeout(() => {
        this.#fail('cancelled', new TransportError('cancelled', 'the queue was closed'));
      }, graceMs);
      this.#closed = () => {
        clearTimeout(force);
        resolve();
      };
      this.#channel?.close();
    });
  }

  get #connectTimeoutMs(): number {
    return this.spec.connectTimeoutMs ?? this.#owner.settings.connectTimeoutMs;
  }

  async #open(): Promise<void> {
    const { signal } = this.#opening;
    const connectTimeoutMs = this.#connectTimeoutMs;
    let leave: (() => void) | undefined;
    let clock: Timer | undefined;
    try {
      leave = await this.#owner.window.enter(signal);
      const startedAt = performance.now();
      clock = systemClock.setTimer(connectTimeoutMs, () => {
        const late = `no agent within ${String(connectTimeoutMs)} ms${saidAtStart(this.#stderr, this.#noise())}`;
        this.#opening.abort(new TransportError('timeout', late));
      });
      const ready = await this.#startAgent(signal);
      this.#becomeReady();
      this.#report({
        state: 'open',
        agentPid: ready.pid,
        nodeVersion: ready.nodeVersion,
        tookMs: performance.now() - startedAt,
      });
    } catch (error) {
      const known =
        error instanceof TransportError ? error : new TransportError('unreachable', String(error), { cause: error });
      this.#fail(known.kind, known);
    } finally {
      clock?.cancel();
      leave?.();
    }
  }

  async #startAgent(signal: AbortSignal): Promise<ReadyReport> {
    const { settings } = this.#owner;
    const { spec } = this;
    const start = await newAgentStart(spec, settings);
    signal.throwIfAborted();
    const ready = this.#awaitReady(start.marker, signal);
    // The transport's own rejection tells more; without it this one is still awaited below.
    ready.catch(() => undefined);
    const transport = await this.#owner.loadTransport(spec.transport);
    signal.throwIfAborted();
    const channel = await transport.open(spec, start, this.#channelEvents(), {
      connectTimeoutMs: this.#connectTimeoutMs,
      keepaliveIntervalMs: settings.keepaliveIntervalMs,
      keepaliveCount: settings.keepaliveCount,
      killGraceMs: settings.killGraceMs,
      signal,
      phase: phase => {
        this.#moveTo(phase);
      },
      relay: (key, marker, events) => this.#owner.relay(key, marker, events),
      ask: (question, asker) => this.#owner.ask(question, asker),
    });
    this.#channel = channel;
    this.#moveTo('bootstrap');
    return ready;
  }

  #channelEvents(): ChannelEvents {
    return {
      data: chunk => {
        this.#receive(chunk);
      },
      diagnostics: chunk => {
        this.#takeStderr(Buffer.from(chunk).toString('utf8'));
      },
      end: cause => {
        if (this.#state === 'opening') this.#endedWhileOpening(cause);
        else this.#fail('lost', cause ?? new Error('the agent ended'));
      },
    };
  }

  /** Marker, then the Ready frame. Whatever comes after that is answers. */
  #awaitReady(marker: string, signal: AbortSignal): Promise<ReadyReport> {
    return new Promise((resolve, reject) => {
      const search = new MarkerSearch(marker);
      const reader = new FrameReader((type, batch, index, payload, frame) => {
        if (this.#state === 'ready') this.#take(type, batch, index, payload, frame);
        else if (type === FrameType.Ready) resolve(checkReady(decode(payload), search.nodeVersion));
        else throw new ProtocolError(`a frame of type ${String(type)} before the agent was ready`);
      });
      let found = false;
      this.#noise = () => (found ? '""' : search.noise);
      this.#receive = chunk => {
        if (this.#state === 'ended') return;
        try {
          const rest = found ? chunk : search.push(chunk);
          if (rest === undefined) return;
          found = true;
          reader.push(rest);
        } catch (error) {
          const known =
            error instanceof TransportError
              ? error
              : new TransportError('protocol', (error as Error).message, { cause: error });
          if (this.#state === 'ready') this.#fail(known.kind, known);
          else reject(known);
        }
      };
      this.#endedWhileOpening = cause => {
        const message = describeFailedStart(cause, this.#stderr, this.#noise());
        reject(new TransportError('bootstrap', message, { cause }));
      };
      signal.addEventListener('abort', () => {
        reject(signal.reason as Error);
      });
    });
  }

  #becomeReady(): void {
    this.#state = 'ready';
    this.#phase = 'call';
    for (const batch of this.#batches.values()) this.#enter(batch, 'call');
    if (this.#batches.size === 0) this.#channel?.release();
    this.#owner.outbox.flush();
    for (const batch of this.#batches.values()) this.send(batch);
  }

  /** A frame from the agent. Throws ProtocolError for what no agent of ours would say. */
  #take(type: number, id: number, index: number, payload: Uint8Array, frame: Uint8Array): void {
    switch (type) {
      case FrameType.Value:
      case FrameType.Failed:
      case FrameType.Output: {
        const batch = this.#batches.get(id);
        if (batch?.sent !== true || batch.next !== index) {
          throw new ProtocolError(`an answer to call ${String(index)} of batch ${String(id)}, which awaits none`);
        }
        this.#owner.outbox.whole(frame);
        if (type === FrameType.Failed) this.#settle(batch);
        else if (type === FrameType.Value) this.#advance(batch);
        return;
      }
      case FrameType.Warning:
        if (this.#batches.has(id)) this.#owner.outbox.whole(frame);
        else this.#report({ state: 'warning', message: String(decode(payload)) });
        return;
      case FrameType.Pong:
        return;
      default:
        throw new ProtocolError(`a frame of unknown type ${String(type)}`);
    }
  }

  #advance(batch: BatchRun): void {
    batch.next++;
    if (batch.next === batch.count) this.#settle(batch);
    else {
      batch.startCallClock(() => {
        this.#timeOut(batch);
      });
    }
  }

  #timeOut(batch: BatchRun): void {
    this.#owner.outbox.frame(FrameType.TimedOut, batch.id, batch.next);
    this.#channel?.write(encodeFrame(FrameType.Cancel, batch.id, batch.next));
    this.#awaitCancel(batch, 'timeout', 'the agent did not end the call that timed out');
  }

  /** An agent that answers no cancel is of no use to anybody: its connection is cut. */
  #awaitCancel(batch: BatchRun, kind: DownKind, message: string): void {
    const waitMs = this.#owner.settings.killGraceMs + ANSWER_MARGIN_MS;
    batch.startTimer(waitMs, () => {
      const error = new Error(`${message} within ${String(waitMs)} ms`);
      this.#settleDown(batch, kind, error);
      this.#fail('lost', new Error('the connection was cut: its agent no longer answers', { cause: error }));
    });
  }

  #enter(batch: BatchRun, phase: Phase): void {
    batch.phase = phase;
    this.#owner.outbox.frame(FrameType.Phase, batch.id, PHASES.indexOf(phase));
  }

  #moveTo(phase: Phase): void {
    if (this.#state !== 'opening' || this.#phase === phase) return;
    this.#phase = phase;
    for (const batch of this.#batches.values()) this.#enter(batch, phase);
  }

  #settle(batch: BatchRun): void {
    this.#batches.delete(batch.id);
    if (this.#batches.size === 0 && this.#state === 'ready') this.#channel?.release();
    batch.settle();
  }

  #settleDown(batch: BatchRun, kind: DownKind, error: unknown): void {
    const report: DownReport = { kind, phase: batch.phase, error };
    this.#owner.outbox.frame(FrameType.Down, batch.id, batch.sent ? 1 : 0, encode(report));
    this.#settle(batch);
  }

  /** The end of the link, for whatever reason: all its batches end with it. */
  #fail(kind: DownKind, error: Error): void {
    if (this.#state === 'ended') return;
    for (const batch of [...this.#batches.values()]) this.#settleDown(batch, kind, error);
    const wasReady = this.#state === 'ready';
    this.#state = 'ended';
    this.#channel?.destroy();
    if (wasReady) this.#report({ state: 'closed', error: this.#closed ? undefined : error });
    this.#owner.ended(this);
    this.#closed?.();
  }

  #takeStderr(text: string): void {
    if (this.#state === 'ready') this.#report({ state: 'warning', message: text.trimEnd().slice(0, MAX_STDERR_CHARS) });
    else this.#stderr = (this.#stderr + text).slice(-MAX_STDERR_CHARS);
  }

  #report(report: Omit<LinkReport, 'key' | 'hostname'>): void {
    const { key, hostname } = this.spec;
    this.#owner.outbox.frame(FrameType.Link, 0, 0, encode({ ...report, key, hostname }));
  }
}

function checkReady(report: unknown, nodeVersion: string | undefined): ReadyReport {
  const { protocol, pid } = (report ?? {}) as Partial<ReadyReport>;
  if (protocol !== PROTOCOL_VERSION) {
    throw new ProtocolError(`the agent speaks version ${String(protocol)}, expected ${String(PROTOCOL_VERSION)}`);
  }
  return { protocol, pid: Number(pid), nodeVersion: String(nodeVersion) };
}
