/** The events of stores. */
import { publisher } from '../report/channel.js';

/** A section of a store has ended, well or not. */
export interface SectionEnd {
  /** Name of the store. */
  readonly store: string;
  /** The `why` of a section that writes, the `name` of one that reads. */
  readonly section: string;
  readonly writes: boolean;
  /** From the begin of its transaction, ms. */
  readonly tookMs: number;
  /** Whether nothing of it was kept. */
  readonly failed: boolean;
  /** What it rejects with, an Error or not. */
  readonly error?: unknown;
}

/** A section has been open, or has waited for its turn to write, for longer than the store's `slowSectionMs`. Told once of each. */
export interface SectionSlow {
  readonly store: string;
  readonly section: string;
  readonly writes: boolean;
  /** Where it was opened: `file:line:column`. */
  readonly openedAt: string;
  /** Whether it still waits for its turn. */
  readonly waits: boolean;
  /** So far, ms. */
  readonly tookMs: number;
}

/** A repeatable section has failed since other transactions were in the way, and is about to be tried again. */
export interface SectionRetry {
  readonly store: string;
  readonly section: string;
  readonly writes: boolean;
  /** How often it was tried by now. */
  readonly attempts: number;
  /** The database's own. */
  readonly error: unknown;
}

interface StoreMessages {
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
