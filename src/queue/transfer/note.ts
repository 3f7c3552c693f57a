/** The note that a transfer with `tolerateFailure` leaves in place of what it failed to bring. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { TransferOrder } from './order.js';
import { ownPath, shownPath, withoutSlash } from './paths.js';

const ENDING = '.transfer_failed';
/** The reason may be a drone's. */
const MAX_REASON_CHARS = 10_000;

function noteOf({ destination }: TransferOrder): string {
  return withoutSlash(ownPath(destination)) + ENDING;
}

/** Returns what to warn of, when there can be no note either. */
export async function leaveNote(order: TransferOrder, error: unknown): Promise<string | undefined> {
  const note = noteOf(order);
  const reason = error instanceof Error ? error.message.slice(0, MAX_REASON_CHARS) : 'for a reason that is no error';
  try {
    await mkdir(dirname(note), { recursive: true });
    // Whatever stands there, such as a link that came with a drone's folder, is not written through.
    await rm(note, { force: true });
    const text = `${shownPath(order.source)}\n${new Date().toISOString()}\n${reason}\n`;
    await writeFile(note, text, { flag: 'wx' });
    return undefined;
  } catch (failed) {
    return `${order.method} failed (${reason}), and no note of it could be left: ${String(failed)}`;
  }
}

/** What was noted earlier is no longer so. */
export async function removeNote(order: TransferOrder): Promise<string | undefined> {
  const note = noteOf(order);
  try {
    await rm(note, { force: true });
    return undefined;
  } catch (failed) {
    return `${order.method} left an old note behind: ${String(failed)}`;
  }
}
