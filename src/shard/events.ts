/** The events of shards. */
import { publisher, subscriber } from '../report/channel.js';

/** A shard's heartbeat has ended. */
export interface HeartbeatEnd {
  /** The shard client's name. */
  readonly client: string;
  readonly shardHostname: string;
  /** Time from creating the packet until the reply was imported, ms. */
  readonly tookMs: number;
  readonly uploadedJobs: number;
  /** Uploaded jobs that the master has acknowledged and that need no further upload. */
  readonly settledJobs: number;
  /** Records of the reply that were imported, and those that could not be imported. */
  readonly takenRecords: number;
  readonly badRecords: number;
  readonly failed: boolean;
  readonly error?: unknown;
}

/** The message of each event of shards and their master, by channel. */
export interface ShardMessages {
  'drone-task-queue:heartbeat.end': HeartbeatEnd;
}

/** Names of the channels that the events of shards are published on; see `events` of the core. */
export const events = {
  /** Carries a `HeartbeatEnd`. */
  heartbeatEnd: 'drone-task-queue:heartbeat.end',
} as const satisfies Record<string, keyof ShardMessages>;

export const publish = publisher<ShardMessages>(Object.values(events));

/** Subscribes to one of `events` with the type of its message. Returns a function that unsubscribes. */
export const subscribe = subscriber<ShardMessages>();
