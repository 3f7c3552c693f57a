/**
 * A warm agent and its connection, shared by all batches of one endpoint. Its states:
 *
 * - `opening` until the agent's Ready: batches wait unsent and fail with the link.
 * - `ready`: each batch is sent at once; batches run side by side, and an answer must be to the awaited call of its batch.
 * - `probing` when a batch comes after a long silence: batches wait unsent for a sign of life, or move to a new link.
 * - `killing` when the agent ignores a cancel: takes no batches, still takes answers, and ends once the kill's outcome is
 *   known, or soon.
 * - `ended` for good; the dispatcher opens another link when it needs one.
 *
 * Invariants: a batch in `#batches` is unsettled; while opening none of them is sent; when ended there are none.
 */
import { encode } from '../wire/codec/codec.js';
import { encodeFrame } from '../wire/frames.js';
import { type Channel, TransportError } from '../transport/transport.js';
import {
  AGENT_ABANDONED,
  type DownKind,
  type EndpointSpec,
  EVERY_CALL,
  FrameType,
  type LinkReport,
  type Phase,
  type ReadyReport,
  UNLESS_SENT,
} from '../wire/messages.js';
import { killAgent } from './agent-kill.js';
import { AgentSession, type SessionOwner } from './agent-session.js';
import type { BatchRun } from './batch-run.js';
import { LinkBatches, type LinkBatchesOwner } from './link-batches.js';
import { LinkProbes } from './link-probes.js';
import { LinkWarnings } from './link-warnings.js';
import { Liveness } from './liveness.js';

export interface LinkOwner extends SessionOwner, LinkBatchesOwner {
  /** It takes no more batches. */
  ended(link: Link): void;
  /** It has no batches now, but takes more. */
  idle(link: Link): void;
  /** The unsent batch needs another link. */
  moveOn(batch: BatchRun): void;
}

export class Link {
  readonly spec: EndpointSpec;
  readonly #owner: LinkOwner;
  readonly #batches: LinkBatches;
  readonly #session: AgentSession;
  readonly #liveness: Liveness;
  readonly #probes: LinkProbes;
  readonly #warnings: LinkWarnings;
  #state: 'opening' | 'ready' | 'probing' | 'killing' | 'ended' = 'opening';
  #phase: Phase = 'waiting';
  #channel: Channel | undefined;
  #closed: (() => void) | undefined;
  #agentPid: number | undefined;
  /** Whether what the agent ran is known to be gone. */
  #killed: boolean | undefined;
  #idleSinceMs = 0;
  /** At the last ping. */
  #unsentBytes = 0;

  /** A link that is not `held` keeps no process alive until it has a batch. */
  constructor(spec: EndpointSpec, owner: LinkOwner, held: boolean) {
    this.spec = spec;
    this.#owner = owner;
    this.#batches = new LinkBatches(owner, {
      write: bytes => this.#channel?.write(bytes),
      broken: error => this.#fail('protocol', error),
      unheeded: error => {
        void this.#cut('lost', new Error('the connection was cut: its agent no longer answers', { cause: error }));
      },
      mayHaveStarted: batch => this.#channel?.mayHaveStarted?.(batch) !== false,
      printed: batch => this.#channel?.printed?.(batch),
      empty: () => {
        if (this.#isReady) this.#becomeIdle();
      },
    });
    this.#probes = new LinkProbes(owner.outbox);
    this.#warnings = new LinkWarnings(spec, owner.outbox);
    this.#session = new AgentSession(spec, owner, {
      phase: phase => this.#moveTo(phase),
      heard: () => this.#liveness.heard(),
      frame: (type, batch, index, payload, frame) => {
        if (this.#state !== 'ended') this.#take(type, batch, index, payload, frame);
      },
      diagnostics: this.#warnings.tell,
      end: (kind, cause) => {
        // The kill waits for this end, and commands may outlive the agent for a moment.
        if (this.#state !== 'killing') this.#fail(kind, cause);
      },
    });
    this.#liveness = new Liveness(spec, owner.settings, {
      ask: () => this.#ask(),
      alive: () => {
        this.#state = 'ready';
        this.#phase = 'call';
        this.#sendAll();
      },
      dead: cause => {
        void this.#kill();
        this.#fail('lost', cause);
      },
    });
    void this.#open(held);
  }

  /** Takes a batch and sends it when ready. Returns true when it is ready now: the owner then calls `send`. */
  add(batch: BatchRun): boolean {
    this.#batches.add(batch);
    if (this.#batches.size === 1) this.#channel?.hold();
    if (this.#state === 'ready' && this.#isDoubtful) this.#startProbe();
    const isReady = this.#state === 'ready';
    this.#batches.enter(batch, isReady ? 'call' : this.#phase);
    return isReady;
  }

  /**
   * Sends a batch to the agent. The main thread must know its phase `call` before: if this thread dies in between, the
   * batch would otherwise count as not run and run twice.
   */
  send(batch: BatchRun): void {
    if (batch.settled || this.#state !== 'ready') return;
    this.#batches.send(batch);
  }

  /** Ends one call of a batch, now or at its turn, or the batch (EVERY_CALL), or an unsent batch (UNLESS_SENT). */
  cancel(batch: BatchRun, index: number): void {
    if (batch.settled || (batch.sent && index === UNLESS_SENT)) return;
    if (batch.sent) this.#batches.cancel(batch, index);
    else if (index === EVERY_CALL || index === UNLESS_SENT) {
      this.#batches.end(batch, {
        kind: 'cancelled',
        error: new TransportError('cancelled', 'cancelled before it was sent'),
      });
      // The connection is no longer needed; a later round opens it with a fresh clock.
      if (this.#state === 'opening' && this.#batches.size === 0 && !this.#probes.areWaiting) {
        this.#session.abort(new TransportError('cancelled', 'no batch waits for this connection'));
        // A batch that came before the transport reacts would end with the cancelled one.
        this.#owner.ended(this);
      }
    } else {
      batch.cancelledEarly.push(index);
    }
  }

  /** The awaited call may send more; ignored for others. `payload` is a Credit frame's. */
  credit(batch: BatchRun, index: number, payload: Uint8Array): void {
    this.#batches.credit(batch, index, payload);
  }

  /** Reports to the main thread, under this number, the agent's next answer to a ping, or the link's end. */
  probe(id: number): void {
    this.#probes.add(id);
    if (this.#isReady) this.#ask();
  }

  /** Time without a batch, ms; 0 while it has one. */
  get idleMs(): number {
    return this.#batches.size > 0 || this.#state === 'opening' ? 0 : performance.now() - this.#idleSinceMs;
  }

  get pingEveryMs(): number {
    return this.#liveness.pingEveryMs;
  }

  /** Keeps the agent from ending itself, and ends the link when the agent no longer answers. */
  ping(): void {
    if (!this.#isReady) return;
    const before = this.#unsentBytes;
    this.#unsentBytes = this.#channel?.unsentBytes ?? 0;
    if (this.#unsentBytes < before) this.#liveness.excuse();
    else this.#liveness.ping();
  }

  /** Lets the agent end itself; resolves when it and its connection are gone, by force after `graceMs`. */
  close(graceMs: number): Promise<void> {
    if (this.#state === 'ended') return Promise.resolve();
    this.#owner.ended(this);
    if (this.#state === 'opening') {
      this.#session.abort(new TransportError('cancelled', 'the queue was closed'));
      return Promise.resolve();
    }
    return new Promise(resolve => {
      const force = setTimeout(() => {
        const what = this.#channel?.awaited ?? 'the agent has not ended';
        void this.#cut('cancelled', new Error(`${what} within ${String(graceMs)} ms of being released`));
      }, graceMs);
      this.#closed = () => {
        clearTimeout(force);
        resolve();
      };
      this.#channel?.close();
    });
  }

  async #open(held: boolean): Promise<void> {
    try {
      await this.#session.start(
        held,
        channel => {
          this.#channel = channel;
          if (this.#batches.size > 0) channel.hold();
        },
        report => this.#becomeReady(report),
      );
    } catch (error) {
      const { kind } = error as TransportError;
      this.#fail(kind, error as TransportError);
    }
  }

  get #isReady(): boolean {
    return this.#state === 'ready' || this.#state === 'probing';
  }

  #becomeReady({ pid: agentPid, nodeVersion }: ReadyReport): void {
    this.#agentPid = agentPid;
    this.#state = 'ready';
    this.#phase = 'call';
    this.#liveness.heard();
    this.#sendAll();
    if (this.#batches.size === 0) this.#becomeIdle();
    if (this.#probes.areWaiting) this.#ask();
    this.#report({ state: 'open', agentPid, nodeVersion, tookMs: this.#session.tookMs });
  }

  #ask(): void {
    this.#channel?.write(encodeFrame(FrameType.Ping, 0, 0));
  }

  #sendAll(): void {
    const { unsent } = this.#batches;
    for (const batch of unsent) this.#batches.enter(batch, 'call');
    this.#owner.outbox.flush();
    for (const batch of unsent) this.send(batch);
  }

  #becomeIdle(): void {
    this.#idleSinceMs = performance.now();
    this.#channel?.release();
    this.#owner.idle(this);
  }

  /** The agent was silent for long though nothing is unsent, or has a cancel to answer. */
  get #isDoubtful(): boolean {
    const isSending = (this.#channel?.unsentBytes ?? 0) > 0;
    return (!isSending && this.#liveness.isDoubtful) || this.#batches.awaitCancel;
  }

  /** A batch sent over a dead connection may or may not have run. */
  #startProbe(): void {
    this.#state = 'probing';
    this.#phase = 'waiting';
    this.#liveness.probe();
  }

  /** Throws a ProtocolError for a frame that no agent of this package sends. */
  #take(type: number, id: number, index: number, payload: Uint8Array, frame: Uint8Array): void {
    if (type === FrameType.Pong) this.#probes.succeed();
    else if (type === FrameType.Warning) this.#warnings.take(payload, this.#batches.has(id) ? frame : undefined);
    else this.#batches.take(type, id, index, payload, frame);
  }

  #kill(): Promise<boolean | undefined> {
    const { marker } = this.#session;
    const { killGraceMs } = this.#owner.settings;
    const isLast = this.#closed !== undefined && this.#batches.size === 0;
    return killAgent({ channel: this.#channel, pid: this.#agentPid, marker, killGraceMs, isLast }, message => {
      // Before the link's end, that end reports it.
      const error = this.#state === 'ended' ? Object.assign(new Error(message), { code: AGENT_ABANDONED }) : undefined;
      this.#report({ state: 'warning', message, error });
    });
  }

  /** Kills or abandons an agent that does not obey, and ends the link. */
  async #cut(kind: DownKind, error: Error): Promise<void> {
    if (this.#state === 'killing' || this.#state === 'ended') return;
    this.#state = 'killing';
    this.#liveness.stop();
    this.#owner.ended(this);
    this.#killed = await this.#kill();
    const isGone = this.#killed === true || this.#channel?.endsAgent === true;
    this.#fail(kind, isGone ? error : Object.assign(error, { code: AGENT_ABANDONED }));
  }

  #moveTo(phase: Phase): void {
    if (this.#state !== 'opening' || this.#phase === phase) return;
    this.#phase = phase;
    for (const batch of this.#batches.unsent) this.#batches.enter(batch, phase);
  }

  /** Ends the link and its batches. */
  #fail(kind: DownKind, error: Error): void {
    if (this.#state === 'ended') return;
    const wasReady = this.#state !== 'opening';
    this.#state = 'ended';
    this.#liveness.stop();
    this.#owner.ended(this);
    this.#warnings.end();
    this.#probes.fail({ kind, phase: this.#phase, error });
    // Unsent batches move to another link, unless they waited for this one to open or the queue closes.
    const moving = wasReady && !this.#closed ? this.#batches.takeUnsent() : [];
    this.#batches.endAll({ kind, error, killed: this.#killed });
    this.#channel?.destroy();
    const isAsked = this.#closed !== undefined && (error as { code?: unknown }).code !== AGENT_ABANDONED;
    if (wasReady) this.#report({ state: 'closed', error: isAsked ? undefined : error });
    this.#closed?.();
    for (const batch of moving) this.#owner.moveOn(batch);
  }

  #report(report: Omit<LinkReport, 'key' | 'hostname'>): void {
    const { key, hostname } = this.spec;
    this.#owner.outbox.lazily(FrameType.Link, 0, 0, encode({ ...report, key, hostname }));
  }
}
