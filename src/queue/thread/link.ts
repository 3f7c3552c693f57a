/**
 * A warm agent and the way to it, shared by all batches of one endpoint.
 *
 * A link is `opening` until its agent has said Ready: batches gather in it unsent, and share its fate. Then it is
 * `ready`: a batch is sent whole as soon as it comes, batches run side by side, and each answer must be to the call that
 * its batch awaits. A link that was silent for too long is `probing` when a batch comes: what comes waits unsent for a
 * sign of life, and when there is none, goes to a new link as if it had never been here. A link whose agent answers no
 * cancel is `killing`: it takes no more batches, what its agent still says counts, and it ends when it is known whether
 * the agent is gone, or soon all the same. Once `ended` it stays so; the dispatcher opens another when it needs one.
 *
 * Invariants: a batch in `#batches` is unsettled; while opening none of them is sent; when ended there are none.
 */
import { encode } from '../wire/codec/codec.js';
import { encodeFrame, ProtocolError } from '../wire/frames.js';
import type { Outbox } from './outbox.js';
import { type Channel, TransportError } from '../transport/transport.js';
import {
  AGENT_ABANDONED,
  type DownKind,
  type DownReport,
  type EndpointSpec,
  EVERY_CALL,
  FrameType,
  type LinkReport,
  type Phase,
  PHASES,
  type ReadyReport,
  UNLESS_SENT,
} from '../wire/messages.js';
import { ANSWER_MARGIN_MS, killAgent } from './agent-kill.js';
import { AgentSession, type SessionOwner } from './agent-session.js';
import type { BatchRun } from './batch-run.js';
import { LinkProbes } from './link-probes.js';
import { LinkWarnings } from './link-warnings.js';
import { Liveness } from './liveness.js';
import { isOfTransfer, BatchTransfers } from './batch-transfers.js';

/** What a link needs of the dispatcher that owns it. */
export interface LinkOwner extends SessionOwner {
  /** To the main thread. */
  readonly outbox: Outbox;
  /** Takes no more batches from now on. */
  ended(link: Link): void;
  /** Has no batches left, but may be given more. */
  idle(link: Link): void;
  /** Was not sent, and is to have another link. */
  moveOn(batch: BatchRun): void;
}

export class Link {
  readonly spec: EndpointSpec;
  readonly #owner: LinkOwner;
  readonly #batches = new Map<number, BatchRun>();
  readonly #session: AgentSession;
  readonly #liveness: Liveness;
  readonly #probes: LinkProbes;
  readonly #warnings: LinkWarnings;
  readonly #transfers = new BatchTransfers({
    send: (type, batch, index, payload) => this.#channel?.write(encodeFrame(type, batch, index, payload)),
    tell: (type, batch, index, payload) => {
      this.#owner.outbox.frame(type, batch, index, payload);
    },
    broken: error => {
      this.#fail('protocol', error);
    },
  });
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

  /** Until it has a batch, a link that is not `held` keeps no process alive. */
  constructor(spec: EndpointSpec, owner: LinkOwner, held: boolean) {
    this.spec = spec;
    this.#owner = owner;
    this.#probes = new LinkProbes(owner.outbox);
    this.#warnings = new LinkWarnings(spec, owner.outbox);
    this.#session = new AgentSession(spec, owner, {
      phase: phase => {
        this.#moveTo(phase);
      },
      heard: () => {
        this.#liveness.heard();
      },
      frame: (type, batch, index, payload, frame) => {
        if (this.#state !== 'ended') this.#take(type, batch, index, payload, frame);
      },
      diagnostics: this.#warnings.tell,
      end: (kind, cause) => {
        // The end of the agent is what is being waited for, and its commands may still be on their way out.
        if (this.#state !== 'killing') this.#fail(kind, cause);
      },
    });
    this.#liveness = new Liveness(owner.settings, {
      ask: () => {
        this.#ask();
      },
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

  /** Takes a batch; sends it once that can be done. Returns whether that is now: the owner then calls `send`. */
  add(batch: BatchRun): boolean {
    this.#batches.set(batch.id, batch);
    if (this.#batches.size === 1) this.#channel?.hold();
    if (this.#state === 'ready' && this.#isDoubtful) this.#startProbe();
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
    this.#startCallClock(batch);
    // In front of the calls, none of which may then start before the agent knows.
    for (const index of batch.cancelledEarly) this.cancel(batch, index);
    this.#channel?.write(batch.frames);
  }

  /** Ends one call of a batch, now or when its turn comes, or the whole batch, or that unless it was sent. */
  cancel(batch: BatchRun, index: number): void {
    if (batch.settled || (batch.sent && index === UNLESS_SENT)) return;
    if (batch.sent) {
      this.#channel?.write(encodeFrame(FrameType.Cancel, batch.id, index));
      batch.isEnding ||= index === EVERY_CALL;
      if (!batch.awaitsCancel && (batch.isEnding || index === batch.next)) {
        this.#awaitCancel(batch, 'cancelled', 'the agent did not end the cancelled call');
      }
    } else if (index === EVERY_CALL || index === UNLESS_SENT) {
      this.#settleDown(batch, 'cancelled', new TransportError('cancelled', 'cancelled before it was sent'));
      // Nobody waits for this connection any more; when it is opened for a later round, that has a fresh clock.
      if (this.#state === 'opening' && this.#batches.size === 0 && !this.#probes.areWaiting) {
        this.#session.abort(new TransportError('cancelled', 'nobody waits for this connection'));
        // A batch that came before the transport has noticed would share the fate of the cancelled one.
        this.#owner.ended(this);
      }
    } else {
      batch.cancelledEarly.push(index);
    }
  }

  /** The awaited call may send more; for any other it comes too late. `payload` is a Credit frame's. */
  credit(batch: BatchRun, index: number, payload: Uint8Array): void {
    if (!batch.sent || batch.settled || batch.next !== index) return;
    this.#channel?.write(encodeFrame(FrameType.Credit, batch.id, index, payload));
  }

  /** Tells the main thread, under this number, when the agent next answers a ping, or that the link has ended. */
  probe(id: number): void {
    this.#probes.add(id);
    if (this.#isReady) this.#ask();
  }

  /** For how long it has had no batch, ms; 0 while it has one. */
  get idleMs(): number {
    return this.#batches.size > 0 || this.#state === 'opening' ? 0 : performance.now() - this.#idleSinceMs;
  }

  /** Keeps the agent from ending itself for silence, and ends the link when the agent no longer answers. */
  ping(): void {
    if (!this.#isReady) return;
    const before = this.#unsentBytes;
    this.#unsentBytes = this.#channel?.unsentBytes ?? 0;
    if (this.#unsentBytes < before) this.#liveness.excuse();
    else this.#liveness.ping();
  }

  /** Lets the agent end itself; resolves when it and the way to it are gone, by force after `graceMs`. */
  close(graceMs: number): Promise<void> {
    if (this.#state === 'ended') return Promise.resolve();
    this.#owner.ended(this);
    if (this.#state === 'opening') {
      this.#session.abort(new TransportError('cancelled', 'the queue was closed'));
      return Promise.resolve();
    }
    return new Promise(resolve => {
      const force = setTimeout(() => {
        void this.#cut('cancelled', new Error(`the agent has not ended within ${String(graceMs)} ms of being let go`));
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
        report => {
          this.#becomeReady(report);
        },
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

  /** Sends what has gathered. */
  #sendAll(): void {
    const unsent = [...this.#batches.values()].filter(batch => !batch.sent);
    for (const batch of unsent) this.#enter(batch, 'call');
    this.#owner.outbox.flush();
    for (const batch of unsent) this.send(batch);
  }

  #becomeIdle(): void {
    this.#idleSinceMs = performance.now();
    this.#channel?.release();
    this.#owner.idle(this);
  }

  /** It was silent for long though it has nothing else to read, or has yet to heed a cancel. */
  get #isDoubtful(): boolean {
    const isSending = (this.#channel?.unsentBytes ?? 0) > 0;
    if (!isSending && this.#liveness.isDoubtful) return true;
    return [...this.#batches.values()].some(batch => batch.awaitsCancel);
  }

  /** Nothing is sent over a way that may be gone: whether it ran could not be told. */
  #startProbe(): void {
    this.#state = 'probing';
    this.#phase = 'waiting';
    this.#liveness.probe();
  }

  /** A frame from the agent. Throws ProtocolError for what no agent of ours would say. */
  #take(type: number, id: number, index: number, payload: Uint8Array, frame: Uint8Array): void {
    switch (type) {
      case FrameType.Value:
      case FrameType.Failed:
      case FrameType.Output:
      case FrameType.TransferStart:
      case FrameType.TransferData:
      case FrameType.TransferEnd:
      case FrameType.TransferCredit: {
        const batch = this.#batches.get(id);
        const isFit = type === FrameType.Failed ? batch?.mayFailAt(index) === true : batch?.next === index;
        if (batch?.sent !== true || !isFit) {
          throw new ProtocolError(`an answer to call ${String(index)} of batch ${String(id)}, which awaits none`);
        }
        if (isOfTransfer(type)) {
          this.#transfers.take(type, batch, payload);
          return;
        }
        if (type === FrameType.Value) this.#transfers.answered(id);
        this.#owner.outbox.whole(frame);
        if (type === FrameType.Failed || (type === FrameType.Value && batch.advance())) this.#settle(batch);
        else if (type === FrameType.Value && !batch.isEnding) this.#startCallClock(batch);
        return;
      }
      case FrameType.Warning:
        this.#warnings.take(payload, this.#batches.has(id) ? frame : undefined);
        return;
      case FrameType.Pong:
        this.#probes.succeed();
        return;
      default:
        throw new ProtocolError(`a frame of unknown type ${String(type)}`);
    }
  }

  #startCallClock(batch: BatchRun): void {
    batch.startCallClock(() => {
      this.#owner.outbox.frame(FrameType.TimedOut, batch.id, batch.next);
      this.#channel?.write(encodeFrame(FrameType.Cancel, batch.id, batch.next));
      this.#awaitCancel(batch, 'timeout', 'the agent did not end the call that timed out');
    });
  }

  /** An agent that answers no cancel is of no use to anybody: it is killed, and its connection cut. */
  #awaitCancel(batch: BatchRun, kind: DownKind, message: string): void {
    const waitMs = this.#owner.settings.killGraceMs + ANSWER_MARGIN_MS;
    batch.awaitCancel(waitMs, () => {
      const error = new Error(`${message} within ${String(waitMs)} ms`);
      batch.unheeded = { kind, error };
      void this.#cut('lost', new Error('the connection was cut: its agent no longer answers', { cause: error }));
    });
  }

  #kill(): Promise<boolean | undefined> {
    const { marker } = this.#session;
    const { killGraceMs } = this.#owner.settings;
    return killAgent({ channel: this.#channel, pid: this.#agentPid, marker, killGraceMs }, message => {
      this.#report({ state: 'warning', message });
    });
  }

  /** Ends an agent that does not do as it is told, or leaves it behind, and with it the link. */
  async #cut(kind: DownKind, error: Error): Promise<void> {
    if (this.#state === 'killing' || this.#state === 'ended') return;
    this.#state = 'killing';
    this.#liveness.stop();
    this.#owner.ended(this);
    this.#killed = await this.#kill();
    const isGone = this.#killed === true || this.#channel?.endsAgent === true;
    this.#fail(kind, isGone ? error : Object.assign(error, { code: AGENT_ABANDONED }));
  }

  #enter(batch: BatchRun, phase: Phase): void {
    batch.phase = phase;
    this.#owner.outbox.lazily(FrameType.Phase, batch.id, PHASES.indexOf(phase));
  }

  #moveTo(phase: Phase): void {
    if (this.#state !== 'opening' || this.#phase === phase) return;
    this.#phase = phase;
    for (const batch of this.#batches.values()) this.#enter(batch, phase);
  }

  #settle(batch: BatchRun): void {
    this.#batches.delete(batch.id);
    this.#transfers.end(batch.id);
    if (this.#batches.size === 0 && this.#isReady) this.#becomeIdle();
    batch.settle();
  }

  #settleDown(batch: BatchRun, kind: DownKind, error: unknown): void {
    const killed = batch.sent ? this.#killed : undefined;
    const report: DownReport = { kind, error, ...batch.unheeded, phase: batch.phase, killed };
    this.#owner.outbox.frame(FrameType.Down, batch.id, batch.sent ? 1 : 0, encode(report));
    this.#settle(batch);
  }

  /** The end of the link, for whatever reason: all its batches end with it. */
  #fail(kind: DownKind, error: Error): void {
    if (this.#state === 'ended') return;
    const wasReady = this.#state !== 'opening';
    this.#state = 'ended';
    this.#liveness.stop();
    this.#owner.ended(this);
    this.#warnings.end();
    this.#probes.fail({ kind, phase: this.#phase, error });
    for (const batch of [...this.#batches.values()]) {
      if (batch.sent || !wasReady || this.#closed) this.#settleDown(batch, kind, error);
    }
    const unsent = [...this.#batches.values()];
    this.#batches.clear();
    this.#channel?.destroy();
    const isAsked = this.#closed !== undefined && (error as { code?: unknown }).code !== AGENT_ABANDONED;
    if (wasReady) this.#report({ state: 'closed', error: isAsked ? undefined : error });
    this.#closed?.();
    for (const batch of unsent) this.#owner.moveOn(batch);
  }

  #report(report: Omit<LinkReport, 'key' | 'hostname'>): void {
    const { key, hostname } = this.spec;
    this.#owner.outbox.lazily(FrameType.Link, 0, 0, encode({ ...report, key, hostname }));
  }
}
