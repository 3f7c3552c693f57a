/** What runs batches, as the main thread's ledger sees it: worker threads, or a dispatcher on the main thread. */
import type { FrameWriter } from './frames.js';
import type { FrameType } from './wire.js';

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

/** What a runner tells the ledger. */
export interface RunnerEvents {
  /** Whole frames from a thread. */
  frames(place: Place, bytes: Uint8Array): void;
  /** A thread died, and everything that was with it. Frames it had sent before have been told. */
  lost(place: Place, cause: unknown): void;
}

export interface Runner {
  /** Starts batches; returns the place of each, in the same order. */
  start(batches: readonly Outgoing[]): readonly Place[];
  /** Where batches with this route are run, for frames beside jobs. A thread that is not there is started. */
  place(route: string): Place;
  /** Lets agents, connections and threads go, by force after `graceMs`. Nothing may be running any more. */
  close(graceMs: number): Promise<void>;
}
