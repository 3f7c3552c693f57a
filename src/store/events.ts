import { publisher, subscriber } from '../report/channel.js';

/** A section of a store has ended. */
export interface SectionEnd {
  /** Name of the store. */
  readonly store: string;
  /** The `why` of a section that writes, or the `name` of one that reads. */
  readonly section: string;
  readonly writes: boolean;
  /** Time since the start of its transaction, ms. */
  readonly tookMs: number;
  /** Whether the section failed, so that nothing of it was kept. */
  readonly failed: boolean;
  /** What the section rejects with, which need not be an Error. */
  readonly error?: unknown;
}

/**
 * A section was open, or waited for its turn to write, for longer than the store's `slowSectionMs`. Published once per
 * wait.
 */
export interface SectionSlow {
  readonly store: string;
  readonly section: string;
  readonly writes: boolean;
  /** Where it was opened: `file:line:column`. */
  readonly openedAt: string;
  /** Whether it still waits for its turn. */
  readonly waits: boolean;
  /** Time so far, ms. */
  readonly tookMs: number;
}

/** A repeatable section has failed because of other transactions and is about to be retried. */
export interface SectionRetry {
  readonly store: string;
  readonly section: string;
  readonly writes: boolean;
  /** Number of attempts so far. */
  readonly attempts: number;
  /** The database's own error. */
  readonly error: unknown;
}

/** The message of each event of a store, by channel. */
export interface StoreMessages {
  'drone-task-queue:section.end': SectionEnd;
  'drone-task-queue:section.slow': SectionSlow;
  'drone-task-queue:section.retry': SectionRetry;
}

/** Names of the channels that the events of stores are published on; see `events` of the core. */
export const events = {
  /** Carries a `SectionEnd`. */
  sectionEnd: 'drone-task-queue:section.end',
  /** Carries a `SectionSlow`. */
  sectionSlow: 'drone-task-queue:section.slow',
  /** Carries a `SectionRetry`. */
  sectionRetry: 'drone-task-queue:section.retry',
} as const satisfies Record<string, keyof StoreMessages>;

export const publish = publisher<StoreMessages>(Object.values(events));

/** Subscribes to one of `events` with the type of its message. Returns a function that unsubscribes. */
export const subscribe = subscriber<StoreMessages>();
