/** The events of shards. */
import { publisher } from '../report/channel.js';

/** A shard's heartbeat has ended, well or not. */
export interface HeartbeatEnd {
  /** Name of the shard client. */
  readonly client: string;
  readonly shardHostname: string;
  /** From the packet's making until the reply was taken over, ms. */
  readonly tookMs: number;
  /** Jobs that were in the packet to be uploaded, and those that the master has acknowledged and that are settled so. */
  readonly uploadedJobs: number;
  readonly settledJobs: number;
  /** Records of the reply that were taken over, of all kinds, and that could not be. */
  readonly takenRecords: number;
  readonly badRecords: number;
  readonly failed: boolean;
  /** What it failed with, an Error or not. */
  readonly error?: unknown;
}

interface ShardMessages {
  'drone-task-queue:heartbeat.end': HeartbeatEnd;
}

/** Names of the channels that the events of shards are published on; see `events` of the core. */
export const events = {
  /** Carries a `HeartbeatEnd`. */
  heartbeatEnd: 'drone-task-queue:heartbeat.end',
} as const satisfies Record<string, keyof ShardMessages>;

export const publish = publisher<ShardMessages>(Object.values(events));
