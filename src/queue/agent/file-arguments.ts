/** The checked arguments of the methods for files, with an agent and without one, and the errors that both throw. */
import { posix } from 'node:path';
import { FileError } from '../transfer/failure.js';
import { shownPath } from '../transfer/paths.js';
import { contentsArg, pathArg } from './arguments.js';

/** The directory that `initialize` empties. */
export function scratchArgument(resultsDir: unknown): string {
  return posix.join(pathArg('initialize: resultsDir', resultsDir), 'drone_tmp');
}

export function appendArguments(path: unknown, contents: unknown): { file: string; bytes: string | Uint8Array } {
  return { file: pathArg('appendToFile: path', path), bytes: contentsArg('appendToFile: contents', contents) };
}

export function writeArguments(path: unknown, contents: unknown): { given: string; bytes: string | Uint8Array } {
  const given = pathArg('writeFile: path', path);
  if (given.endsWith('/')) throw new FileError('EISDIR', `${shownPath(given)} is a directory`);
  return { given, bytes: contentsArg('writeFile: contents', contents) };
}

export function copyArguments(source: unknown, destination: unknown): { named: string; into: string } {
  return {
    named: pathArg('copyFileOrDirectory: source', source),
    into: pathArg('copyFileOrDirectory: destination', destination),
  };
}

/** A file cannot take the place of a directory. */
export function copyOverFolder(to: string): FileError {
  return new FileError(
    'EISDIR',
    `copyFileOrDirectory: ${to} is a directory; to copy into it, end the path with a slash`,
  );
}

/** `how` states how cp ended. */
export function copyFailed(from: string, to: string, how: string, stderr: string): Error {
  return Object.assign(new Error(`copyFileOrDirectory: cannot copy ${from} to ${to} (cp: ${how}): ${stderr.trim()}`), {
    code: 'ERR_COPY_FAILED',
  });
}
