/**
 * A file that takes its place whole, under its own name, or not at all: until then it has a temporary one beside it.
 * Whoever reads sees the old file or the new one. Nothing is synced: what a power cut leaves is up to the file system.
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type FileHandle, lstat, open, rename, rm, symlink } from 'node:fs/promises';
import { cannot, doing, FileError } from './failure.js';
import { below, folderOf, shownPath } from './paths.js';

export class PartialFile {
  readonly #destination: Buffer;
  readonly #temporary: Buffer;
  readonly #handle: FileHandle;

  private constructor(destination: Buffer, temporary: Buffer, handle: FileHandle) {
    this.#destination = destination;
    this.#temporary = temporary;
    this.#handle = handle;
  }

  static async create(destination: Buffer): Promise<PartialFile> {
    await checkReplaceable(destination);
    const temporary = temporaryBeside(destination);
    // Nobody else's to read before it has its own mode.
    const handle = await doing('write', destination, open(temporary, 'wx', 0o600));
    return new PartialFile(destination, temporary, handle);
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.byteLength;) {
      const { bytesWritten } = await doing('write', this.#destination, this.#handle.write(bytes, at));
      at += bytesWritten;
    }
  }

  /** Gives the file its mode, time and name. */
  async commit(mode: number, mtimeMs: number): Promise<void> {
    await doing('write', this.#destination, this.#commit(mode, mtimeMs));
  }

  async #commit(mode: number, mtimeMs: number): Promise<void> {
    await this.#handle.chmod(mode);
    await this.#handle.utimes(Date.now() / 1000, mtimeMs / 1000);
    await this.#handle.close();
    await rename(this.#temporary, this.#destination);
  }

  /** Leaves nothing of it. */
  async discard(): Promise<void> {
    try {
      await this.#handle.close();
    } finally {
      await rm(this.#temporary, { force: true });
    }
  }

  /** Leaves nothing of it by the time this returns, though it is still open. */
  discardNow(): void {
    rmSync(this.#temporary, { force: true });
  }
}

/** A link, likewise. */
export async function placeLink(target: Uint8Array, destination: Buffer): Promise<void> {
  await checkReplaceable(destination);
  const temporary = temporaryBeside(destination);
  await doing('make the link', destination, symlink(Buffer.from(target), temporary));
  try {
    await doing('make the link', destination, rename(temporary, destination));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Files and links are replaced, links not followed. The rest is not: a rename would put a file in a device's place. */
async function checkReplaceable(path: Buffer): Promise<void> {
  const found = await statOf(path);
  if (found === undefined || found.isFile() || found.isSymbolicLink()) return;
  if (found.isDirectory()) throw new FileError('EISDIR', `${shownPath(path)} is a folder`);
  throw new FileError('ERR_NOT_A_FILE', `${shownPath(path)} is neither file nor folder, and is left alone`);
}

async function statOf(path: Buffer): Promise<Awaited<ReturnType<typeof lstat>> | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cannot('write', path, error);
  }
}

function temporaryBeside(path: Buffer): Buffer {
  return below(folderOf(path), Buffer.from(`.transfer-${randomBytes(8).toString('hex')}.part`));
}
