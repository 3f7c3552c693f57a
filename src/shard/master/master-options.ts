import { type Clock, clockOption } from '../../wait/clock.js';
import { bytes, integer, randomOption, text } from '../../option/option-kinds.js';
import type { Option, Settings, Table } from '../../option/option-table.js';
import { type Log, logOption } from '../../report/log.js';
import { type StatsTarget, metricsOption } from '../../report/metrics-target.js';

/** Options of a master. */
export interface ShardMasterOptions {
  /** Maximum number of new jobs in one reply, and of jobs to abort. Default 1,000. */
  maxJobsPerReply?: number | undefined;
  /** Maximum number of hosts in one reply. Default 2,000. */
  maxHostsPerReply?: number | undefined;
  /**
   * Maximum number of bytes of JSON for hosts, jobs and keyvals in one reply; the others follow later. A single record
   * that exceeds it is logged and not sent. Default 16 MiB; the shards' `maxReplyBytes` must be larger.
   */
  maxReplyBytes?: number | undefined;
  /** In log lines and metrics. Default `shard_master`. */
  name?: string | undefined;
  /** Where metrics go. Default: nowhere. */
  stats?: StatsTarget | undefined;
  /** Where log lines go. Default: nowhere. */
  log?: Log | undefined;
  /** Times heartbeats and limits warnings. Default: real time. */
  clock?: Clock | undefined;
  /**
   * Chooses what to send first if not everything fits: returns numbers from 0 to less than 1. Default `Math.random`.
   */
  random?: (() => number) | undefined;
}

const perReply = (): Option<number> => integer({ from: 1, to: 100_000 });

export const SHARD_MASTER = {
  maxJobsPerReply: perReply().or(1_000),
  maxHostsPerReply: perReply().or(2_000),
  maxReplyBytes: bytes({ from: 1 }).or(16 * 2 ** 20),
  name: text().or('shard_master'),
  stats: metricsOption(),
  log: logOption(),
  clock: clockOption(),
  random: randomOption(),
} satisfies Table<ShardMasterOptions>;

export type MasterSettings = Settings<typeof SHARD_MASTER>;
