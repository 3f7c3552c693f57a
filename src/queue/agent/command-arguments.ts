/** The checked arguments of `executeCommand`, with an agent and without one, and the error that both throw. */
import { posix } from 'node:path';
import { invalidArgument } from '../../option/invalid-argument.js';
import { fieldsArg, listArg, pathArg, textArg, variablesArg } from './arguments.js';

/** Where a program is looked for when there is no PATH. */
export const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin';

export interface CommandArguments {
  readonly name: string;
  readonly args: readonly string[];
  readonly workingDirectory: string;
  readonly logFile: string | undefined;
  readonly pidfileName: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Throws a TypeError (`ERR_INVALID_ARG`) that names the argument. */
export function executeCommandArguments(command: unknown, options: unknown): CommandArguments {
  const [name = '', ...args] = commandArg(command);
  const where = 'executeCommand: options';
  const fields = fieldsArg(where, options, ['workingDirectory', 'logFile', 'pidfileName', 'env']);
  return {
    name,
    args,
    workingDirectory: pathArg(`${where}.workingDirectory`, fields.workingDirectory),
    logFile: fields.logFile === undefined ? undefined : pathArg(`${where}.logFile`, fields.logFile),
    pidfileName: pidfileNameArg(`${where}.pidfileName`, fields.pidfileName),
    env: variablesArg(`${where}.env`, fields.env),
  };
}

/** `looked` is the path, or name and PATH. */
export function noProgram(code: 'ENOENT' | 'EACCES', looked: string): Error & { code: string } {
  const what = code === 'EACCES' ? 'is not an executable file' : 'does not exist';
  return Object.assign(new Error(`executeCommand: cannot start ${looked}: it ${what}`), { code });
}

/** A pidfile whose command still runs: if the pidfile named another command, no later process would find the first one. */
export function pidfileInUse(program: string, pidfile: string, pid: number): Error & { code: string } {
  const why = `the pidfile ${pidfile} names the process ${String(pid)}, which still runs`;
  return Object.assign(new Error(`executeCommand: cannot start ${program}: ${why}`), { code: 'EEXIST' });
}

function commandArg(value: unknown): string[] {
  const words = listArg('executeCommand: command', value);
  if (words.length === 0) throw invalidArgument('executeCommand: command', value, 'a list with at least the program');
  textArg('executeCommand: command[0]', words[0]);
  return words.map((word, at) => {
    const where = `executeCommand: command[${String(at)}]`;
    if (typeof word !== 'string') throw invalidArgument(where, word, 'a string');
    if (word.includes('\0')) throw invalidArgument(where, word, 'a string without a zero byte');
    return word;
  });
}

function pidfileNameArg(where: string, value: unknown): string {
  const name = pathArg(where, value);
  if (posix.basename(name) !== name || name === '.' || name === '..')
    throw invalidArgument(where, value, 'a plain file name');
  return name;
}
