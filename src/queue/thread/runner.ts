/** The contract of what runs batches: worker threads, or a dispatcher on the main thread. */
import type { FrameWriter } from '../wire/frames.js';
import type { FrameType } from '../wire/messages.js';

export interface Outgoing {
  /** Batches with the same route are run by the same thread. */
  readonly route: string;
  /** Writes the batch's frames. */
  write(writer: FrameWriter): void;
}

/** A thread that runs batches. */
export interface Place {
  /** 0 is the main thread; -1 while the thread is still starting. */
  readonly threadId: number;
  /** Sends a frame beside jobs: a cancel, or relayed bytes. */
  send(type: FrameType, batch: number, index: number, payload?: Uint8Array): void;
}

/** A batch that no thread took; nothing of it is ever sent. */
export interface Refused {
  readonly refused: unknown;
}

/** A thread that could not be ended. */
export interface StuckThread {
  readonly threadId: number;
  readonly message: string;
}

export interface RunnerEvents {
  /** Whole frames from a thread. */
  frames(place: Place, bytes: Uint8Array): void;
  /** A thread died. Its earlier frames have been delivered. */
  lost(place: Place, cause: unknown): void;
}

export interface Runner {
  /** Starts batches; returns the place of each, in the same order, or its refusal. Never throws. */
  start(batches: readonly Outgoing[]): readonly (Place | Refused)[];
  /** The thread of this route, for frames beside jobs. Starts the thread if needed; may throw. */
  place(route: string): Place;
  /**
   * Ends agents, connections and threads, by force after `graceMs` and some seconds; resolves with the threads that remain.
   * Nothing may be running any more.
   */
  close(graceMs: number): Promise<readonly StuckThread[]>;
}
