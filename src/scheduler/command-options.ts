/** How a drone manager is told to run a command. */
import { basename } from 'node:path';
import { invalidArgument } from '../option/invalid-argument.js';
import { OptionReader } from '../option/option-reader.js';
import type { DroneChoice } from './capacity.js';
import { type CommandOrder, WORKING_DIRECTORY } from './executions.js';
import type { PidfileId } from './pidfile.js';
import { checkProcessCount } from './pidfile-options.js';
import { absolutePath, checkPidfileId } from './pidfiles.js';

/** How a drone manager runs a command. */
export interface ManagedCommandOptions extends DroneChoice {
  /** An absolute path on the drone; made when missing. Give each attempt at a job one of its own. */
  workingDirectory: string;
  /** A plain file name in it. */
  pidfileName: string;
  /** Relative to the working directory. Default: output is discarded. */
  logFile?: string | undefined;
  /** How much of the drone's `maxProcesses` it takes. Default 1. */
  processCount?: number | undefined;
  /** Runs on the drone of this registered pidfile, however loaded or stale; user and hostnames do not matter then. */
  pairedWith?: PidfileId | undefined;
  env?: Readonly<Record<string, string>> | undefined;
}

export interface CommandRequest {
  readonly order: CommandOrder;
  readonly processCount: number;
  readonly pairedWith: PidfileId | undefined;
}

const OPTION_NAMES = [
  'workingDirectory',
  'pidfileName',
  'logFile',
  'processCount',
  'user',
  'allowedHostnames',
  'pairedWith',
  'env',
] satisfies (keyof ManagedCommandOptions)[];

/** Throws TypeError (`ERR_INVALID_ARG`). The choice of a drone is checked by who chooses. */
export function readCommand(command: CommandOrder['command'], options: ManagedCommandOptions): CommandRequest {
  const read = new OptionReader(options, OPTION_NAMES);
  const { processCount = 1, pairedWith } = options;
  const pidfileName = read.text('pidfileName');
  if (pidfileName === undefined || basename(pidfileName) !== pidfileName || /^\.\.?$/.test(pidfileName)) {
    throw invalidArgument('pidfileName', pidfileName, 'a plain file name');
  }
  return {
    order: {
      command: wordsIn(command),
      workingDirectory: absolutePath('workingDirectory', options.workingDirectory),
      pidfileName,
      logFile: read.text('logFile'),
      env: read.environment('env'),
    },
    processCount: checkProcessCount('processCount', processCount),
    pairedWith: pairedWith && checkPidfileId(pairedWith),
  };
}

function wordsIn(command: CommandOrder['command']): CommandOrder['command'] {
  const words: unknown = command;
  if (!Array.isArray(words) || words.length === 0) {
    throw invalidArgument('command', command, 'a list with at least the program');
  }
  for (const [at, word] of command.entries()) {
    if (word === WORKING_DIRECTORY || (typeof word === 'string' && !word.includes('\0'))) continue;
    throw invalidArgument(`command[${String(at)}]`, word, 'a string without a zero byte, or WORKING_DIRECTORY');
  }
  return command;
}
