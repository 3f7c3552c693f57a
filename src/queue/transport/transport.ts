/**
 * A transport starts an agent at an endpoint and exchanges bytes with it. The worker thread (link.ts) does the rest.
 */
import type { Answer, DownKind, EndpointSpec, Output, Phase, Question } from '../wire/messages.js';

/**
 * How to start an agent: `<node> -e <loader> <marker> [<limit>]`, with `input` as the first bytes on its stdin. `limit`
 * is the soft limit of open files that its commands get; by default that of the agent.
 */
export interface AgentStart {
  /**
   * The loader: free of single quotes, backslashes, exclamation marks and newlines, so that any shell takes it in
   * single quotes.
   */
  readonly loader: string;
  /** Random; the agent's first own output. What precedes it is noise of the login shell. */
  readonly marker: string;
  /** The agent's bundle, length first; sent with the start, which saves a round trip. */
  readonly input: Uint8Array;
}

/** Follows the marker instead of a Node version when a transport plays the agent itself. */
export const NO_NODE = 'none';

/** What a channel reports to the link. Nothing is called after `end`. */
export interface ChannelEvents {
  /** The agent's stdout. The chunk holds only during the call. */
  data(chunk: Uint8Array): void;
  /** The agent's stderr. */
  diagnostics(chunk: Uint8Array): void;
  /** The agent or the way to it is gone. Called once, also after `close` and `destroy`. */
  end(cause: Error | undefined): void;
}

/** A started agent. */
export interface Channel {
  /** `destroy` certainly ends the agent, too. */
  readonly endsAgent?: true;
  /**
   * Whether the call that the batch is at, which was written to the channel, may have started. Absent means that it may.
   */
  mayHaveStarted?(batch: number): boolean;
  /** What the command that the batch is at has printed, where a transport plays the agent itself. */
  printed?(batch: number): Output | undefined;
  /** What a close waits for besides the agent's own end, for messages: `the drone has not …`. */
  readonly awaited?: string | undefined;
  /** Queues bytes for the agent's stdin, in order; they must not change afterwards. Ignored after the end. */
  write(bytes: Uint8Array): void;
  /**
   * Queued bytes that the system has not taken yet: while their number falls, the other end reads. Absent means none.
   */
  readonly unsentBytes?: number;
  /**
   * Keeps the process alive while a batch is in flight, or no longer. A new channel is held, but see TransportContext.
   */
  hold(): void;
  release(): void;
  /** Orderly end: the agent sees the end of its stdin and exits. */
  close(): void;
  /**
   * Runs a script by /bin/sh on the agent's machine, to kill an agent that no longer answers. `output` gets what it
   * prints. Resolves at its end; rejects when it cannot run, or at once with the reason of `signal` while the script
   * goes on. `destroy` must follow; it may come earlier, and lets the script finish.
   */
  runBeside?(script: string, output: (chunk: Uint8Array) => void, signal: AbortSignal): Promise<void>;
  /** End at once; a local agent is killed. */
  destroy(): void;
}

/**
 * Waits for something that does not depend on this drone alone, such as a busy server: gives the turn to connect back,
 * and resolves when there is a turn again. Meanwhile the phase is `waiting`, unless `wait` reports another one. Rejects
 * as `wait` does, or when the opening is aborted; there is no turn then.
 */
export type Pause = <T>(wait: () => Promise<T>) => Promise<T>;

export interface TransportContext {
  /** Spent in all phases but `waiting` until the agent is ready, ms. The link keeps the clock and aborts `signal`. */
  readonly connectTimeoutMs: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveCount: number;
  /** Unfinished logins to one server at once. */
  readonly maxConnectingPerAddress: number;
  /** An agent that sees the end of its stdin ends what it runs within this time and a little more, ms. */
  readonly killGraceMs: number;
  /**
   * Whether a batch waits for the drone. If not, nothing that is opened keeps the process alive; the channel starts
   * released.
   */
  readonly held: boolean;
  /**
   * Aborted with a TransportError when the time is up or the batch cancelled: `open` then rejects with that at once and
   * leaves nothing behind.
   */
  readonly signal: AbortSignal;
  /**
   * Reports progress, from `connect` on: each `connect` is one more connection attempt, unless nothing but `waiting` came since
   * the last one.
   */
  phase(phase: Phase): void;
  readonly pause: Pause;
  /**
   * Runs `open` in its own turn, for a connection that several drones share and that outlives each of them. `onWait` is
   * called while it has no turn yet, or has paused.
   */
  openShared<T>(signal: AbortSignal, onWait: () => void, open: (pause: Pause) => Promise<T>): Promise<T>;
  /** A channel to a far end on the main thread (see FakeDrone). */
  relay(key: string, marker: string, events: ChannelEvents): Channel;
  /**
   * Asks a function that the drone, or a hop, was made with. Rejects with what it throws, or when `signal` aborts. May
   * never settle, as the function may ask a human.
   */
  ask(question: Question, signal?: AbortSignal): Promise<Answer>;
}

export interface Transport {
  /**
   * Called in one of the thread's turns to connect, which ends when the agent is ready or this rejects. Errors other
   * than TransportErrors count as `unreachable`.
   */
  open(spec: EndpointSpec, start: AgentStart, events: ChannelEvents, context: TransportContext): Promise<Channel>;
  /** Resolves when nothing is left of destroyed channels; absent if nothing ever is. */
  idle?(): Promise<void>;
}

/** Why an agent could not be started. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly kind: DownKind;
  /** Set where a kind has cases that programs must distinguish. */
  declare readonly code?: string;
  constructor(kind: DownKind, message: string, options: ErrorOptions & { readonly code?: string | undefined } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.kind = kind;
    if (options.code !== undefined) this.code = options.code;
  }
}
