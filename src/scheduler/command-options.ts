import { basename } from 'node:path';
import { invalidArgument } from '../option/invalid-argument.js';
import { environment, text } from '../option/option-kinds.js';
import { Option, readOptions, type Table } from '../option/option-table.js';
import { DRONE_CHOICE, type DroneChoice } from './capacity.js';
import { type CommandSpec, WORKING_DIRECTORY } from './executions.js';
import type { PidfileId } from './pidfile.js';
import { PROCESS_COUNT } from './pidfile-options.js';
import { absolutePath, checkPidfileId } from './pidfiles.js';

/** Options of a drone manager's command. */
export interface ManagedCommandOptions extends DroneChoice {
  /** An absolute path on the drone; created if missing. Give each attempt at a job its own directory. */
  workingDirectory: string;
  /** A plain file name in the working directory. */
  pidfileName: string;
  /** Relative to the working directory. Default: output is discarded. */
  logFile?: string | undefined;
  /** The command's share of the drone's `maxProcesses`; 0 starts it even on a full drone. Default 1. */
  processCount?: number | undefined;
  /**
   * Runs the command on the drone of this registered pidfile, even if the drone is stale, within its limit; ignores
   * `user` and `allowedHostnames`.
   */
  pairedWith?: PidfileId | undefined;
  env?: Readonly<Record<string, string>> | undefined;
}

export interface CommandRequest extends Required<DroneChoice> {
  readonly spec: CommandSpec;
  readonly processCount: number;
  readonly pairedWith: PidfileId | undefined;
}

export const MANAGED_COMMAND = {
  workingDirectory: new Option<string, string>(
    'an absolute path',
    (path, field) => absolutePath(field, path),
    'required',
  ),
  pidfileName: text('a plain file name', name => basename(name) === name && !/^\.\.?$/.test(name)).required,
  logFile: text(),
  processCount: PROCESS_COUNT.or(1),
  ...DRONE_CHOICE,
  pairedWith: new Option<PidfileId>('the hostname and path of a pidfile', (id, field) =>
    id === undefined ? undefined : checkPidfileId(id as PidfileId, field),
  ),
  env: environment(),
} satisfies Table<ManagedCommandOptions>;

/** Throws a TypeError (`ERR_INVALID_ARG`). */
export function readCommand(command: CommandSpec['command'], options: ManagedCommandOptions): CommandRequest {
  const { workingDirectory, pidfileName, logFile, env, ...others } = readOptions(MANAGED_COMMAND, options);
  return { spec: { command: wordsIn(command), workingDirectory, pidfileName, logFile, env }, ...others };
}

function wordsIn(command: CommandSpec['command']): CommandSpec['command'] {
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
