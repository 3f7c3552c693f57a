/** Reads a file or a folder and sends it, part by part. */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, readdir, readlink, stat } from 'node:fs/promises';
import { doing, FileError } from './failure.js';
import type { Outflow } from './flow.js';
import { PERMISSIONS, type TransferOrder } from './order.js';
import { below, ownPath, shownPath } from './paths.js';
import { CHUNK_BYTES, encodeHead, LEAVE, newChunk } from './parts.js';
import type { Tally } from './tally.js';

/** So that a pipe that takes a file's place between two looks cannot hold us up. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;
/** Named in the result; beyond them they are left out of it, too. */
const MAX_LEFT_OUT = 100;
const NO_NAME = new Uint8Array(0);

export class Sender {
  /** Paths of what is neither file nor folder nor link. */
  readonly leftOut: string[] = [];
  readonly #flow: Outflow;
  readonly #tally: Tally;
  /** One for all: what it holds has been copied once `write` resolves. */
  readonly #chunk = newChunk();

  constructor(flow: Outflow, tally: Tally) {
    this.#flow = flow;
    this.#tally = tally;
  }

  /** Sends all that the order asks for; what is left then is to say that this was all. */
  async run(order: TransferOrder): Promise<void> {
    const path = Buffer.from(ownPath(order.source));
    const found = await doing('read', path, stat(path));
    if (order.isFolder) {
      if (!found.isDirectory()) throw new FileError('ENOTDIR', `${shownPath(path)} is no folder`);
      await this.#folder(path, NO_NAME, found);
      return;
    }
    if (found.isDirectory()) throw new FileError('EISDIR', `${shownPath(path)} is a folder`);
    if (!found.isFile()) throw new FileError('ERR_NOT_A_FILE', `${shownPath(path)} is neither file nor folder`);
    this.#tally.totalBytes = found.size;
    await this.#file(path, NO_NAME, OPEN_FLAGS);
  }

  async #folder(path: Buffer, name: Uint8Array, { mode, mtimeMs }: Stats): Promise<void> {
    await this.#flow.write(encodeHead('folder', { name, mode: mode & PERMISSIONS, mtimeMs }));
    this.#tally.folders++;
    for (const entry of await doing('read', path, readdir(path, { encoding: 'buffer' }))) {
      await this.#entry(below(path, entry), entry);
    }
    await this.#flow.write(LEAVE);
  }

  /** Links are sent as links and never followed, so that nothing outside of the folder is read. */
  async #entry(path: Buffer, name: Uint8Array): Promise<void> {
    const found = await doing('read', path, lstat(path));
    if (found.isFile()) {
      await this.#file(path, name, OPEN_FLAGS | constants.O_NOFOLLOW);
    } else if (found.isDirectory()) {
      await this.#folder(path, name, found);
    } else if (found.isSymbolicLink()) {
      const target = await doing('read', path, readlink(path, { encoding: 'buffer' }));
      await this.#flow.write(encodeHead('link', { name, target }));
      this.#tally.links++;
    } else if (this.leftOut.length < MAX_LEFT_OUT) {
      this.leftOut.push(path.toString());
    }
  }

  /** Sends as much as the file held when it was opened; one that has become shorter is an error. */
  async #file(path: Buffer, name: Uint8Array, flags: number): Promise<void> {
    const handle = await doing('read', path, open(path, flags));
    try {
      const found = await doing('read', path, handle.stat());
      if (!found.isFile()) throw new FileError('ERR_NOT_A_FILE', `${shownPath(path)} is no file any more`);
      const { size, mtimeMs } = found;
      if (size === 0) await this.#checkEmpty(path, handle);
      await this.#flow.write(encodeHead('file', { name, size, mode: found.mode & PERMISSIONS, mtimeMs }));
      for (let left = size; left > 0;) {
        const wanted = Math.min(left, CHUNK_BYTES);
        const { bytesRead } = await doing('read', path, handle.read(this.#chunk, 1, wanted, null));
        if (bytesRead === 0) {
          throw new FileError('ERR_FILE_CHANGED', `${shownPath(path)} has become shorter while it was read`);
        }
        await this.#flow.write(this.#chunk.subarray(0, 1 + bytesRead));
        left -= bytesRead;
        this.#tally.addBytes(bytesRead);
      }
      this.#tally.files++;
    } finally {
      await handle.close();
    }
  }

  /** Files of /proc say that they are empty, and are not: better refused than copied as nothing. */
  async #checkEmpty(path: Buffer, handle: FileHandle): Promise<void> {
    const { bytesRead } = await doing('read', path, handle.read(this.#chunk, 1, 1, 0));
    if (bytesRead === 0) return;
    throw new FileError('ERR_NO_SIZE', `${shownPath(path)} does not tell its size; files of /proc can be read by run`);
  }
}
