/** What runs batches, as the main thread's ledger sees it: worker threads, or a dispatcher on the main thread. */
import type { FrameWriter } from '../wire/frames.js';
import type { FrameType } from '../wire/messages.js';

/** What a runner is given to run. */
export interface Outgoing {
  /** Batches with the same route are run by the same thread. */
  readonly route: string;
  /** Writes the batch's frames. */
  write(writer: FrameWriter): void;
}

/** A thread that runs batches. Frames from it and its death are told under its name. */
export interface Place {
  /** 0 is the main thread; -1 while the thread is still starting. */
  readonly threadId: number;
  /** Sends a frame beside jobs: a cancel, or relayed bytes. */
  send(type: FrameType, batch: number, index: number, payload?: Uint8Array): void;
}

/** A batch that no thread took: nothing of it is, or will be, sent. */
export interface Refused {
  readonly refused: unknown;
}

/** A thread that could not be ended. */
export interface StuckThread {
  readonly threadId: number;
  readonly message: string;
}

/** What a runner tells the ledger. */
export interface RunnerEvents {
  /** Whole frames from a thread. */
  frames(place: Place, bytes: Uint8Array): void;
  /** A thread died, and everything that was with it. Frames it had sent before have been told. */
  lost(place: Place, cause: unknown): void;
}

export interface Runner {
  /** Starts batches; returns where each went, in the same order. Never throws: what it could not start is refused. */
  start(batches: readonly Outgoing[]): readonly (Place | Refused)[];
  /** Where batches with this route are run, for frames beside jobs. A thread that is not there is started; may throw. */
  place(route: string): Place;
  /**
   * Lets agents, connections and threads go, by force after `graceMs` and some seconds; resolves with the threads that
   * are still there. Nothing may be running any more.
   */
  close(graceMs: number): Promise<readonly StuckThread[]>;
}
