/**
 * A file that appears under its name whole or not at all; until then it has a temporary name beside it. Readers see the
 * old file or the new one. Nothing is synced: after a power cut it is up to the file system.
 */
import { randomBytes } from 'node:crypto';
import { cannot, doing, FileError } from './failure.js';
import type { FileSystem, Found, NewFile } from './file-system.js';
import { below, folderOf, shownPath } from './paths.js';

export class PartialFile {
  readonly #destination: Buffer;
  readonly #file: NewFile;

  private constructor(destination: Buffer, file: NewFile) {
    this.#destination = destination;
    this.#file = file;
  }

  /** Private by default, until it gets its own mode. */
  static async create(files: FileSystem, destination: Buffer, size: number, mode = 0o600): Promise<PartialFile> {
    await checkReplaceable(files, destination);
    const temporary = temporaryBeside(destination);
    const file = await doing('write', destination, files.newFile({ temporary, destination, mode, size }));
    return new PartialFile(destination, file);
  }

  async write(bytes: Uint8Array): Promise<void> {
    await doing('write', this.#destination, this.#file.write(bytes));
  }

  /** Without a `mode` it keeps the one that it was made with. */
  async commit(mode: number | undefined, mtimeMs: number): Promise<void> {
    await doing('write', this.#destination, this.#file.place(mode, mtimeMs));
  }

  async discard(): Promise<void> {
    await this.#file.discard();
  }

  /** Removes the file, still open, before this returns. */
  discardNow(): void {
    this.#file.discardNow();
  }
}

/** Places a link in the same way. */
export async function placeLink(files: FileSystem, target: Uint8Array, destination: Buffer): Promise<void> {
  await checkReplaceable(files, destination);
  const temporary = temporaryBeside(destination);
  await doing('make the link', destination, files.symlink(target, temporary));
  try {
    await doing('make the link', destination, files.rename(temporary, destination));
  } catch (error) {
    await files.remove(temporary);
    throw error;
  }
}

/** Files and links are replaced, links not followed. A rename would replace a device by a file, so it is refused. */
async function checkReplaceable(files: FileSystem, path: Buffer): Promise<void> {
  const found = await lstatIfThere(files, 'write', path);
  if (found === undefined || found.kind === 'file' || found.kind === 'link') return;
  if (found.kind === 'folder') throw new FileError('EISDIR', `${shownPath(path)} is a directory`);
  throw new FileError('ERR_NOT_A_FILE', `${shownPath(path)} is neither a file nor a directory, and was left unchanged`);
}

/** Undefined when nothing is there. */
export async function lstatIfThere(files: FileSystem, what: string, path: Buffer): Promise<Found | undefined> {
  try {
    return await files.lstat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cannot(what, path, error);
  }
}

function temporaryBeside(path: Buffer): Buffer {
  return below(folderOf(path), Buffer.from(`.transfer-${randomBytes(8).toString('hex')}.part`));
}
