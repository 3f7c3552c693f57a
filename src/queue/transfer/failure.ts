/** Errors of a transfer, in the words that its caller reads. */
import type { TransferRequest } from './request.js';
import { shownPath } from './paths.js';

export type Side = 'controller' | 'drone';

/** A file could not be read or written; `code` is the system's, or ours. */
export class FileError extends Error {
  override readonly name = 'FileError';
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The system's error about `path`, with what was tried. */
export function cannot(what: string, path: Uint8Array | string, error: unknown): FileError {
  if (error instanceof FileError) return error;
  const { code = 'ERR_FILE', message } = error as NodeJS.ErrnoException;
  return new FileError(code, `cannot ${what} ${shownPath(path)}: ${message}`, { cause: error });
}

/** Awaits work on `path`, and rewords its failure. */
export async function doing<T>(what: string, path: Uint8Array | string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw cannot(what, path, error);
  }
}

/** The call's error, which the caller reads behind the call: names the side, keeps the system's code, and has the system's error as its cause. */
export function failureOf({ method }: TransferRequest, side: Side, error: unknown): Error & { code: string } {
  const known = error instanceof FileError ? error : cannot('go on with', method, error);
  const told = new Error(`on the ${side}: ${known.message}`, { cause: known.cause ?? known });
  return Object.assign(told, { code: known.code });
}
