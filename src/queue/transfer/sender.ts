/** Reads a file or a directory and sends it part by part. */
import { doing, FileError } from './failure.js';
import type { FileSystem, Found, SourceFile } from './file-system.js';
import type { PartWriter } from './part-stream.js';
import { PERMISSIONS, type TransferRequest } from './request.js';
import { lstatIfThere } from './partial-file.js';
import { below, shownPath } from './paths.js';
import { CHUNK_BYTES, encodeHead, LEAVE, newChunk } from './parts.js';
import type { TransferCounter } from './counter.js';

/** Named in the result; more are omitted. */
const MAX_LEFT_OUT = 100;
const NO_NAME = new Uint8Array(0);

export class Sender {
  /** Paths of entries that are neither file nor directory nor link. */
  readonly leftOut: string[] = [];
  readonly #files: FileSystem;
  readonly #flow: PartWriter;
  readonly #counter: TransferCounter;
  /** Reused: `write` has copied it once it resolves. */
  readonly #chunk = newChunk();

  constructor(flow: PartWriter, counter: TransferCounter, files: FileSystem) {
    this.#files = files;
    this.#flow = flow;
    this.#counter = counter;
  }

  /** Sends everything but the final report. */
  async run(request: TransferRequest): Promise<void> {
    const path = Buffer.from(await this.#files.expandHome(request.source));
    const found = await doing('read', path, this.#files.stat(path));
    if (request.isFolder) {
      if (found.kind !== 'folder') throw new FileError('ENOTDIR', `${shownPath(path)} is not a directory`);
      if (request.wantsTotal === true) this.#counter.totalBytes = await bytesIn(this.#files, path);
      await this.#folder(path, NO_NAME, found);
      return;
    }
    if (found.kind === 'folder') {
      const use = request.method.replace('File', 'Directory');
      throw new FileError('EISDIR', `${shownPath(path)} is a directory: use ${use}`);
    }
    if (found.kind !== 'file')
      throw new FileError('ERR_NOT_A_FILE', `${shownPath(path)} is neither a file nor a directory`);
    this.#counter.totalBytes = found.size;
    await this.#file(path, NO_NAME, true);
  }

  async #folder(path: Buffer, name: Uint8Array, { mode, mtimeMs }: Found): Promise<void> {
    const isRoot = name.byteLength === 0;
    const totalBytes = isRoot ? this.#counter.totalBytes : undefined;
    await this.#flow.write(encodeHead('folder', { name, mode: mode & PERMISSIONS, mtimeMs, totalBytes }));
    this.#counter.directories++;
    for (const entry of await doing('read', path, this.#files.list(path))) {
      await this.#entry(below(path, entry.name), entry.name, entry.found);
    }
    await this.#flow.write(LEAVE);
  }

  /** Links are sent as links and never followed, so that nothing outside of the directory is read. */
  async #entry(path: Buffer, name: Uint8Array, listed: Found | undefined): Promise<void> {
    const found = listed ?? (await doing('read', path, this.#files.lstat(path)));
    if (found.kind === 'file') {
      await this.#file(path, name, false);
    } else if (found.kind === 'folder') {
      await this.#folder(path, name, found);
    } else if (found.kind === 'link') {
      const target = await doing('read', path, this.#files.readlink(path));
      await this.#flow.write(encodeHead('link', { name, target }));
      this.#counter.links++;
    } else if (this.leftOut.length < MAX_LEFT_OUT) {
      this.leftOut.push(path.toString());
    }
  }

  /** Sends as much as the file held when opened; a file that shrinks is an error. */
  async #file(path: Buffer, name: Uint8Array, mayBeLink: boolean): Promise<void> {
    const file = await doing('read', path, this.#files.openFile(path, mayBeLink));
    try {
      const { kind, size, mode, mtimeMs } = file.found;
      if (kind !== 'file') throw new FileError('ERR_NOT_A_FILE', `${shownPath(path)} is no longer a file`);
      if (size === 0) await this.#checkEmpty(path, file);
      await this.#flow.write(encodeHead('file', { name, size, mode: mode & PERMISSIONS, mtimeMs }));
      for (let left = size; left > 0;) {
        const wanted = Math.min(left, CHUNK_BYTES);
        const bytesRead = await doing('read', path, file.read(this.#chunk.subarray(1, 1 + wanted)));
        if (bytesRead === 0) {
          throw new FileError('ERR_FILE_CHANGED', `${shownPath(path)} has become shorter while it was read`);
        }
        await this.#flow.write(this.#chunk.subarray(0, 1 + bytesRead));
        left -= bytesRead;
        this.#counter.addBytes(bytesRead);
      }
      this.#counter.files++;
    } finally {
      await file.close();
    }
  }

  /** Files of /proc report size 0 and are not empty: refused, not copied as nothing. */
  async #checkEmpty(path: Buffer, file: SourceFile): Promise<void> {
    if ((await doing('read', path, file.read(this.#chunk.subarray(1, 2)))) === 0) return;
    throw new FileError('ERR_NO_SIZE', `${shownPath(path)} does not report its size; use run to read files in /proc`);
  }
}

/** What the files of a directory hold now. One that vanishes meanwhile counts as nothing. */
async function bytesIn(files: FileSystem, folder: Buffer): Promise<number> {
  let bytes = 0;
  for (const entry of await doing('read', folder, files.list(folder))) {
    const path = below(folder, entry.name);
    const found = entry.found ?? (await lstatIfThere(files, 'read', path));
    if (found?.kind === 'file') bytes += found.size;
    else if (found?.kind === 'folder') bytes += await bytesIn(files, path);
  }
  return bytes;
}
