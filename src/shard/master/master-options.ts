/** How a master goes, and its defaults. */
import { type Clock, systemClock } from '../../wait/clock.js';
import { invalidArgument } from '../../option/invalid-argument.js';
import { type Log, partLog, safeLog } from '../../report/log.js';
import { OptionReader } from '../../option/option-reader.js';
import { checkStatsTarget, type StatsTarget } from '../../report/stats.js';
import type { AssignmentLimits } from './assignment.js';

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

export interface MasterSettings extends AssignmentLimits {
  readonly maxReplyBytes: number;
  readonly name: string;
  readonly stats: StatsTarget | undefined;
  readonly log: Log;
  readonly clock: Clock;
}

const NAMES = [
  'maxJobsPerReply',
  'maxHostsPerReply',
  'maxReplyBytes',
  'name',
  'stats',
  'log',
  'clock',
  'random',
] satisfies (keyof ShardMasterOptions)[];
const MAX_PER_REPLY = 100_000;

/** Throws TypeError (`ERR_INVALID_ARG`) that names the option. */
export function readMasterOptions(options: ShardMasterOptions): MasterSettings {
  const read = new OptionReader(options, NAMES);
  if (options.random !== undefined && typeof options.random !== 'function') {
    throw invalidArgument('random', options.random, 'a function that gives numbers from 0 to less than 1');
  }
  checkStatsTarget(options.stats);
  const count = (field: 'maxJobsPerReply' | 'maxHostsPerReply'): number | undefined =>
    read.limit(
      field,
      `an integer from 1 to ${String(MAX_PER_REPLY)}`,
      value => Number.isInteger(value) && value >= 1 && value <= MAX_PER_REPLY,
    );
  const name = read.text('name') ?? 'shard_master';
  return {
    maxJobsPerReply: count('maxJobsPerReply') ?? 1_000,
    maxHostsPerReply: count('maxHostsPerReply') ?? 2_000,
    maxReplyBytes:
      read.limit('maxReplyBytes', 'an integer of 1 or more', value => Number.isInteger(value) && value >= 1) ??
      16 * 2 ** 20,
    name,
    stats: options.stats,
    log: partLog(safeLog(options.log), name, { master: name }),
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
  };
}
