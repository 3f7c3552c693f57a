/** The options of a master. */
import { type Clock, clockOption } from '../../wait/clock.js';
import { bytes, integer, randomOption, text } from '../../option/option-kinds.js';
import type { Option, Settings, Table } from '../../option/option-table.js';
import { type Log, logOption } from '../../report/log.js';
import { type StatsTarget, statsOption } from '../../report/stats.js';

/** How a master goes. */
export interface ShardMasterOptions {
  /** How many jobs a heartbeat's reply has at most that the shard does not know; as many that are to be aborted. Default 1,000. */
  maxJobsPerReply?: number | undefined;
  /** How many hosts a heartbeat's reply has at most. Default 2,000. */
  maxHostsPerReply?: number | undefined;
  /**
   * Bytes of JSON of the hosts, jobs and keyvals of a reply; the others follow. A record that is larger alone is not sent, and
   * a warning tells of it. Default 16 MiB; the shards must take a reply of this size, and what else is in it.
   */
  maxReplyBytes?: number | undefined;
  /** In log lines and metrics. Default `shard_master`. */
  name?: string | undefined;
  /** Where metrics go. Default: nowhere. */
  stats?: StatsTarget | undefined;
  /** Where log lines go. Default: nowhere. */
  log?: Log | undefined;
  /** For how long a heartbeat takes, and how often there is a warning of a shard. Default: real time. */
  clock?: Clock | undefined;
  /** For which hosts and jobs are sent first where not all fit: from 0 to less than 1. Default `Math.random`. */
  random?: (() => number) | undefined;
}

const perReply = (): Option<number> => integer({ from: 1, to: 100_000 });

export const SHARD_MASTER = {
  maxJobsPerReply: perReply().or(1_000),
  maxHostsPerReply: perReply().or(2_000),
  maxReplyBytes: bytes({ from: 1 }).or(16 * 2 ** 20),
  name: text().or('shard_master'),
  stats: statsOption(),
  log: logOption(),
  clock: clockOption(),
  random: randomOption(),
} satisfies Table<ShardMasterOptions>;

export type MasterSettings = Settings<typeof SHARD_MASTER>;
