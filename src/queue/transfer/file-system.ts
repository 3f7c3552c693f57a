/**
 * What a transfer needs of a file system: this machine's, or that of a drone without an agent. Operations reject with the
 * system's errors, as those of node:fs do.
 */
import { constants, rmSync, type Stats } from 'node:fs';
import {
  chmod,
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { expandHome } from '../../option/home.js';
import { makeDirectory } from './make-directory.js';

export interface Found {
  readonly kind: 'file' | 'folder' | 'link' | 'other';
  /** Permissions and special bits, without the kind. */
  readonly mode: number;
  readonly mtimeMs: number;
  readonly size: number;
}

/** An entry of a directory; `found` is set if the listing reported it. */
export interface Entry {
  readonly name: Buffer;
  readonly found?: Found;
}

/** A file that is read from its start. */
export interface SourceFile {
  /** As it was when opened. */
  readonly found: Found;
  /** Resolves to how many bytes were put into `chunk`; 0 at the end. */
  read(chunk: Uint8Array): Promise<number>;
  close(): Promise<void>;
}

/** A file under a temporary name, beside the one whose place it takes. */
export interface NewFile {
  write(bytes: Uint8Array): Promise<void>;
  /** Without a `mode` it keeps the one that it was made with. Resolves when it has the destination's name. */
  place(mode: number | undefined, mtimeMs: number): Promise<void>;
  discard(): Promise<void>;
  /** Removes the file, still open, before this returns. */
  discardNow(): void;
}

/** `size` is what will be written, where that is known. */
export interface NewFileAt {
  readonly temporary: Buffer;
  readonly destination: Buffer;
  readonly mode: number;
  readonly size: number;
}

export interface FileSystem {
  /** Puts the user's home directory in place of a leading `~`; a trailing slash stays. */
  expandHome(path: string): Promise<string>;
  stat(path: Buffer): Promise<Found>;
  lstat(path: Buffer): Promise<Found>;
  list(path: Buffer): Promise<readonly Entry[]>;
  readlink(path: Buffer): Promise<Uint8Array>;
  /** A pipe that takes a file's place must not block it. Without `mayBeLink`, a link rejects with `ELOOP`. */
  openFile(path: Buffer, mayBeLink: boolean): Promise<SourceFile>;
  newFile(at: NewFileAt): Promise<NewFile>;
  mkdir(path: Buffer, mode: number): Promise<void>;
  makeDirectory(path: Buffer): Promise<void>;
  chmod(path: Buffer, mode: number): Promise<void>;
  setTime(path: Buffer, mtimeMs: number): Promise<void>;
  symlink(target: Uint8Array, path: Buffer): Promise<void>;
  rename(from: Buffer, to: Buffer): Promise<void>;
  /** No error if nothing is there. */
  remove(path: Buffer): Promise<void>;
  /** Fails if something is there. */
  writeNew(path: Buffer, text: string): Promise<void>;
}

const SPECIAL_AND_PERMISSIONS = 0o7777;
/** A pipe that takes a file's place between two looks must not block us. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

export const localFiles: FileSystem = {
  expandHome: path => Promise.resolve(expandHome(path)),
  stat: async path => foundIn(await stat(path)),
  lstat: async path => foundIn(await lstat(path)),
  list: async path => (await readdir(path, { encoding: 'buffer' })).map(name => ({ name })),
  readlink: path => readlink(path, { encoding: 'buffer' }),
  openFile: async (path, mayBeLink) => {
    const handle = await open(path, mayBeLink ? OPEN_FLAGS : OPEN_FLAGS | constants.O_NOFOLLOW);
    try {
      return new LocalSource(handle, foundIn(await handle.stat()));
    } catch (error) {
      await handle.close();
      throw error;
    }
  },
  newFile: async at => new LocalNewFile(at, await open(at.temporary, 'wx', at.mode)),
  mkdir: async (path, mode) => {
    await mkdir(path, mode);
  },
  makeDirectory,
  chmod,
  setTime: (path, mtimeMs) => utimes(path, Date.now() / 1000, mtimeMs / 1000),
  symlink: (target, path) => symlink(Buffer.from(target), path),
  rename,
  remove: path => rm(path, { force: true }),
  writeNew: (path, text) => writeFile(path, text, { flag: 'wx' }),
};

function foundIn(stats: Stats): Found {
  const { mode, mtimeMs, size } = stats;
  const kind = stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : stats.isSymbolicLink() ? 'link' : 'other';
  return { kind, mode: mode & SPECIAL_AND_PERMISSIONS, mtimeMs, size };
}

class LocalSource implements SourceFile {
  readonly found: Found;
  readonly #handle: FileHandle;

  constructor(handle: FileHandle, found: Found) {
    this.#handle = handle;
    this.found = found;
  }

  async read(chunk: Uint8Array): Promise<number> {
    return (await this.#handle.read(chunk, 0, chunk.byteLength, null)).bytesRead;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

class LocalNewFile implements NewFile {
  readonly #at: NewFileAt;
  readonly #handle: FileHandle;

  constructor(at: NewFileAt, handle: FileHandle) {
    this.#at = at;
    this.#handle = handle;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.byteLength;) at += (await this.#handle.write(bytes, at)).bytesWritten;
  }

  async place(mode: number | undefined, mtimeMs: number): Promise<void> {
    if (mode !== undefined) await this.#handle.chmod(mode);
    await this.#handle.utimes(Date.now() / 1000, mtimeMs / 1000);
    await this.#handle.close();
    await rename(this.#at.temporary, this.#at.destination);
  }

  async discard(): Promise<void> {
    try {
      await this.#handle.close();
    } finally {
      await rm(this.#at.temporary, { force: true });
    }
  }

  discardNow(): void {
    rmSync(this.#at.temporary, { force: true });
  }
}
