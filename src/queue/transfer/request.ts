/** What a call of a transfer method asks for. Both peers read it from the call's arguments. */
import { invalidArgument, refuseUnknown } from '../../option/invalid-argument.js';
import { isFolderPath } from './paths.js';

/** Argument names, source first; the method decides which of the two is on the controller. */
const METHODS = {
  putFile: { names: ['localPath', 'remotePath'], isPut: true, isFolder: false, options: ['mode', 'tolerateFailure'] },
  getFile: { names: ['remotePath', 'localPath'], isPut: false, isFolder: false, options: ['mode', 'tolerateFailure'] },
  putDirectory: { names: ['localDir', 'remoteDir'], isPut: true, isFolder: true, options: ['tolerateFailure'] },
  getDirectory: { names: ['remoteDir', 'localDir'], isPut: false, isFolder: true, options: ['tolerateFailure'] },
} as const;

export type TransferMethod = keyof typeof METHODS;

/** Setuid and setgid bits do not travel: they mean nothing on the other machine. */
export const PERMISSIONS = 0o777;

export interface TransferRequest {
  readonly method: TransferMethod;
  /** True for a transfer to the drone, false for one from it. */
  readonly isPut: boolean;
  readonly isFolder: boolean;
  /** A path on the sender's side, as given. */
  readonly source: string;
  /** A path on the receiver's side, as given. */
  readonly destination: string;
  /** Replaces the mode of the source file. */
  readonly mode: number | undefined;
  readonly tolerateFailure: boolean;
  /** The sender of a directory adds up its files first. */
  readonly wantsTotal?: boolean;
}

export function isTransferMethod(method: string): method is TransferMethod {
  return Object.hasOwn(METHODS, method);
}

/** Throws a TypeError (`ERR_INVALID_ARG`) for invalid arguments. */
export function readRequest(method: TransferMethod, args: readonly unknown[]): TransferRequest {
  const { names, isPut, isFolder, options: known } = METHODS[method];
  const [source, destination] = names.map((name, at) => pathArg(`${method}: ${name}`, args[at]));
  if (source === undefined || destination === undefined) throw new Error('a method has two paths');
  const { mode, tolerateFailure } = optionsArg(method, args[2], known);
  if (!isFolder && isFolderPath(source)) {
    throw invalidArgument(`${method}: ${names[0]}`, source, 'the path of a file, not of a directory');
  }
  if (destination.endsWith('/') && isFolderPath(source)) {
    throw invalidArgument(
      `${method}: ${names[1]}`,
      destination,
      'no slash at the end, because the source has no name for the copy',
    );
  }
  return { method, isPut, isFolder, source, destination, mode, tolerateFailure };
}

function pathArg(where: string, value: unknown): string {
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value;
  throw invalidArgument(where, value, 'a non-empty string without a zero byte');
}

function optionsArg(
  method: TransferMethod,
  value: unknown,
  known: readonly string[],
): { mode: number | undefined; tolerateFailure: boolean } {
  const options = value === undefined ? {} : value;
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidArgument(`${method}: options`, options, 'an object');
  }
  refuseUnknown(options, known, method);
  const { mode, tolerateFailure } = options as { mode?: unknown; tolerateFailure?: unknown };
  if (mode !== undefined && !isMode(mode)) throw invalidArgument(`${method}: mode`, mode, 'an integer from 0 to 0o777');
  if (tolerateFailure !== undefined && typeof tolerateFailure !== 'boolean') {
    throw invalidArgument(`${method}: tolerateFailure`, tolerateFailure, 'a boolean');
  }
  return { mode, tolerateFailure: tolerateFailure ?? false };
}

export function isMode(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= PERMISSIONS;
}
