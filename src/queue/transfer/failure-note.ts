/** The note that a failed transfer with `tolerateFailure` leaves beside its destination. */
import type { FileSystem } from './file-system.js';
import type { TransferRequest } from './request.js';
import { copyPath, folderOf, shownPath } from './paths.js';

const ENDING = '.transfer_failed';
/** The reason may come from a drone. */
const MAX_REASON_CHARS = 10_000;

async function noteOf(files: FileSystem, request: TransferRequest): Promise<Buffer> {
  return Buffer.from((await copyPath(files, request)) + ENDING);
}

/** Returns a warning when the note cannot be written. */
export async function leaveFailureNote(
  files: FileSystem,
  request: TransferRequest,
  error: unknown,
): Promise<string | undefined> {
  const reason =
    error instanceof Error ? error.message.slice(0, MAX_REASON_CHARS) : 'for a reason that is not an Error';
  try {
    const note = await noteOf(files, request);
    await files.makeDirectory(folderOf(note));
    // Never written through an existing entry, such as a link that came with a drone's directory.
    await files.remove(note);
    const text = `${shownPath(request.source)}\n${new Date().toISOString()}\n${reason}\n`;
    await files.writeNew(note, text);
    return undefined;
  } catch (failed) {
    return `${request.method} failed (${reason}), and no note about it could be written: ${String(failed)}`;
  }
}

/** Returns a warning when the old note cannot be removed. */
export async function removeFailureNote(files: FileSystem, request: TransferRequest): Promise<string | undefined> {
  try {
    await files.remove(await noteOf(files, request));
    return undefined;
  } catch (failed) {
    return `${request.method} could not remove an old note: ${String(failed)}`;
  }
}
