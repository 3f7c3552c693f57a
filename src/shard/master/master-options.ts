/** How a master goes, and its defaults. */
import { invalidArgument } from '../../invalid-argument.js';
import { type Log, safeLog } from '../../log.js';
import { OptionReader } from '../../option-reader.js';
import type { AssignmentLimits } from './assignment.js';

/** How a master goes. */
export interface ShardMasterOptions {
  /** How many jobs a heartbeat's reply has at most that the shard does not know; as many that are to be aborted. Default 1,000. */
  maxJobsPerReply?: number | undefined;
  /** How many hosts a heartbeat's reply has at most. Default 2,000. */
  maxHostsPerReply?: number | undefined;
  /** Where log lines go. Default: nowhere. */
  log?: Log | undefined;
  /** For which aborted jobs are sent where not all fit: from 0 to less than 1. Default `Math.random`. */
  random?: (() => number) | undefined;
}

export interface MasterSettings extends AssignmentLimits {
  readonly log: Log;
}

const NAMES = ['maxJobsPerReply', 'maxHostsPerReply', 'log', 'random'] satisfies (keyof ShardMasterOptions)[];
const MAX_PER_REPLY = 100_000;

/** Throws TypeError (`ERR_INVALID_ARG`) that names the option. */
export function readMasterOptions(options: ShardMasterOptions): MasterSettings {
  const read = new OptionReader(options, NAMES);
  if (options.random !== undefined && typeof options.random !== 'function') {
    throw invalidArgument('random', options.random, 'a function that gives numbers from 0 to less than 1');
  }
  const count = (name: 'maxJobsPerReply' | 'maxHostsPerReply'): number | undefined =>
    read.limit(
      name,
      `an integer from 1 to ${String(MAX_PER_REPLY)}`,
      value => Number.isInteger(value) && value >= 1 && value <= MAX_PER_REPLY,
    );
  return {
    maxJobsPerReply: count('maxJobsPerReply') ?? 1_000,
    maxHostsPerReply: count('maxHostsPerReply') ?? 2_000,
    log: safeLog(options.log),
    random: options.random ?? Math.random,
  };
}
