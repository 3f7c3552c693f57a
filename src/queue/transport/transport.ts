/**
 * What a transport is: a way to start an agent at an endpoint and to talk bytes with it. The worker thread (link.ts)
 * does the rest, the same for all of them.
 */
import type { Answer, DownKind, EndpointSpec, Phase, Question } from '../wire/messages.js';

/** How to start an agent: `<node> -e <loader> <marker>`, with `input` as the first bytes on its stdin. */
export interface AgentStart {
  /** The loader's text: no single quote, backslash, exclamation mark or newline in it, so that any shell takes it in single quotes. */
  readonly loader: string;
  /** Random; the agent's first own output. What comes before it is noise of the login shell. */
  readonly marker: string;
  /** The agent's bundle, length first. Sent together with the start, which saves a round trip. */
  readonly input: Uint8Array;
}

/** Stands behind the marker in place of a Node version, where a transport plays the agent itself. */
export const NO_NODE = 'none';

/** What a channel tells the link. Nothing is called after `end`. */
export interface ChannelEvents {
  /** The agent's stdout. The chunk holds only during the call. */
  data(chunk: Uint8Array): void;
  /** The agent's stderr. */
  diagnostics(chunk: Uint8Array): void;
  /** The agent or the way to it is gone; called once, also after `close` and `destroy`. */
  end(cause: Error | undefined): void;
}

/** A started agent. */
export interface Channel {
  /** `destroy` is known to end the agent, too: nobody need be told that it may live on. */
  readonly endsAgent?: true;
  /** Queues bytes for the agent's stdin, in order. The bytes must not change afterwards. Harmless after the end. */
  write(bytes: Uint8Array): void;
  /** Bytes queued that the system has not taken yet: while they get fewer, the other end reads. Where absent, none. */
  readonly unsentBytes?: number;
  /** Keep the process alive while the channel is open (a batch is in flight), or no longer. A new channel is held, but see TransportContext. */
  hold(): void;
  release(): void;
  /** Orderly end: the agent sees the end of its stdin and ends itself. */
  close(): void;
  /**
   * Runs a script by /bin/sh where the agent runs, without that one's help: it no longer answers, and is to be killed.
   * `said` gets what the script prints. Resolves at its end; rejects when it cannot be run, or at once with the reason of
   * `signal`, and the script goes on. `destroy` must follow, and may come before this is over: it lets it come to its end.
   */
  runBeside?(script: string, said: (chunk: Uint8Array) => void, signal: AbortSignal): Promise<void>;
  /** End at once; a local agent is killed. */
  destroy(): void;
}

/**
 * Waits for something that does not depend on this drone alone, such as a server that takes only some connections at once:
 * gives the turn to connect back first, and resolves when there is a turn again. Meanwhile the phase is `waiting`, unless
 * `wait` reports another one. Rejects as `wait` does, or when the opening is aborted; there is no turn then.
 */
export type Pause = <T>(wait: () => Promise<T>) => Promise<T>;

/** What a transport may use of its surroundings. */
export interface TransportContext {
  /** Spent in any phase but `waiting` until the agent is ready, ms; the link keeps the clock and aborts `signal`. */
  readonly connectTimeoutMs: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveCount: number;
  /** Connections to one server that may be on their way to a login at once. */
  readonly maxConnectingPerAddress: number;
  /** An agent that sees the end of its stdin ends what it runs within this time and a little more, ms. */
  readonly killGraceMs: number;
  /**
   * Whether somebody waits for the drone. If not, nothing that is opened keeps the process alive, the new channel neither:
   * it is as after `release`.
   */
  readonly held: boolean;
  /**
   * Aborted when the time is up or the batch is cancelled, with a TransportError: `open` then rejects with that at once and
   * leaves nothing behind.
   */
  readonly signal: AbortSignal;
  /** Reports how far the connection has come, from `connect` on: each `connect` is one more connection that is tried. */
  phase(phase: Phase): void;
  readonly pause: Pause;
  /**
   * Runs `open` in a turn of its own: it opens a connection that several drones share, and that outlives each of them.
   * `onWait` is called when it has no turn yet, or none any more in a pause.
   */
  openShared<T>(signal: AbortSignal, onWait: () => void, open: (pause: Pause) => Promise<T>): Promise<T>;
  /** A channel to the drone's far end on the main thread, for transports that have one there (see FakeDrone). */
  relay(key: string, marker: string, events: ChannelEvents): Channel;
  /**
   * Asks a function that the drone, or a hop on the way to it, was made with. Rejects with what it throws, or when
   * `signal` is aborted. It may never settle: the function may be asking a human.
   */
  ask(question: Question, signal?: AbortSignal): Promise<Answer>;
}

export interface Transport {
  /**
   * Called in one of the thread's turns to connect, which ends when the agent is ready or this has rejected. Rejections are
   * TransportErrors; anything else counts as `unreachable`.
   */
  open(spec: EndpointSpec, start: AgentStart, events: ChannelEvents, context: TransportContext): Promise<Channel>;
  /** Resolves when nothing is left of channels that were destroyed; where absent, nothing ever is. */
  idle?(): Promise<void>;
}

/** Why an agent could not be started. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly kind: DownKind;
  /** For programs, where a kind has cases that they must tell apart. */
  declare readonly code?: string;
  constructor(kind: DownKind, message: string, options: ErrorOptions & { readonly code?: string | undefined } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.kind = kind;
    if (options.code !== undefined) this.code = options.code;
  }
}
