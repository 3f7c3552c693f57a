/** The checked arguments of `run`, with an agent and without one. */
import { invalidArgument } from '../../option/invalid-argument.js';
import { contentsArg, fieldsArg, optionalTextArg, textArg, variablesArg } from './arguments.js';

/** Both streams must fit in one reply, at worst four bytes for each byte kept. */
const LARGEST_OUTPUT_BYTES = 16_000_000;

export interface RunArguments {
  readonly script: string;
  readonly cwd: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: string | Uint8Array | undefined;
  readonly maxOutputBytes: number | undefined;
  readonly check: boolean;
}

/** Throws a TypeError (`ERR_INVALID_ARG`) that names the argument. */
export function runArguments(command: unknown, options: unknown = {}): RunArguments {
  const script = withoutZero('run: command', textArg('run: command', command));
  const fields = fieldsArg('run: options', options, ['cwd', 'env', 'stdin', 'maxOutputBytes', 'check']);
  const { stdin, maxOutputBytes, check = false } = fields;
  const cwd = optionalTextArg('run: options.cwd', fields.cwd);
  if (typeof check !== 'boolean') throw invalidArgument('run: options.check', check, 'a boolean');
  return {
    script,
    check,
    cwd: cwd === undefined ? undefined : withoutZero('run: options.cwd', cwd),
    env: variablesArg('run: options.env', fields.env),
    stdin: stdin === undefined ? undefined : contentsArg('run: options.stdin', stdin),
    maxOutputBytes: maxOutputBytes === undefined ? undefined : outputBytesArg(maxOutputBytes),
  };
}

function withoutZero(where: string, text: string): string {
  if (text.includes('\0')) throw invalidArgument(where, text, 'a string without a zero byte');
  return text;
}

function outputBytesArg(value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= LARGEST_OUTPUT_BYTES) return value;
  throw invalidArgument('run: options.maxOutputBytes', value, `an integer from 0 to ${String(LARGEST_OUTPUT_BYTES)}`);
}
