/** What goes wrong in a transfer, in the words that its caller will read. */
import type { TransferOrder } from './order.js';
import { shownPath } from './paths.js';

/** Where something happened: on the controller's machine or on the drone's. */
export type Side = 'controller' | 'drone';

/** A file that could not be read or written; `code` is the system's, or ours. */
export class FileError extends Error {
  override readonly name = 'FileError';
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What the system said about `path`, with a sentence of what was tried. */
export function cannot(what: string, path: Uint8Array | string, error: unknown): FileError {
  if (error instanceof FileError) return error;
  const { code = 'ERR_FILE', message } = error as NodeJS.ErrnoException;
  return new FileError(code, `cannot ${what} ${shownPath(path)}: ${message}`, { cause: error });
}

/** Awaits what works on `path`, and gives what goes wrong its sentence. */
export async function doing<T>(what: string, path: Uint8Array | string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw cannot(what, path, error);
  }
}

/** The error a call fails with: says on which side it was, keeps the system's code, and as its cause what the system said. */
export function failureOf({ method }: TransferOrder, side: Side, error: unknown): Error & { code: string } {
  const known = error instanceof FileError ? error : cannot('go on with', method, error);
  const told = new Error(`${method}: on the ${side}: ${known.message}`, { cause: known.cause ?? known });
  return Object.assign(told, { code: known.code });
}
