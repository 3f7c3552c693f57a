/**
 * Writes the parts that arrive, and nothing outside of the destination.
 *
 * Parts are not trusted. Each names an entry of the directory entered last, which this receiver has made or has seen to
 * be a directory; so no link, sent or already there, is written through. A part out of turn, or more bytes than
 * announced, is a ProtocolError.
 */
import { ProtocolError } from '../wire/frames.js';
import { cannot, doing, FileError } from './failure.js';
import type { FileSystem } from './file-system.js';
import type { PartReader } from './part-stream.js';
import type { TransferRequest } from './request.js';
import { PartialFile, placeLink } from './partial-file.js';
import { decodePart, type FileHead, type FolderHead, type LinkHead, type Part } from './parts.js';
import { below, copyPath, folderOf, shownPath } from './paths.js';
import type { TransferCounter } from './counter.js';

/** Needed to fill a directory, whatever its final mode. */
const OWNER_ALL = 0o700;

interface OpenFile {
  readonly head: FileHead;
  readonly file: PartialFile;
  left: number;
}

interface OpenFolder {
  readonly head: FolderHead;
  readonly path: Buffer;
  /** An existing directory keeps its mode and time. */
  readonly isNew: boolean;
}

export class Receiver {
  readonly #request: TransferRequest;
  readonly #flow: PartReader;
  readonly #counter: TransferCounter;
  readonly #files: FileSystem;
  readonly #folders: OpenFolder[] = [];
  #file: OpenFile | undefined;
  #isComplete = false;
  #isDiscarded = false;

  constructor(request: TransferRequest, flow: PartReader, counter: TransferCounter, files: FileSystem) {
    this.#files = files;
    this.#request = request;
    this.#flow = flow;
    this.#counter = counter;
  }

  /** Resolves when all is in place. However it ends, no partial file is left. */
  async run(): Promise<void> {
    try {
      for (let part = await this.#flow.next(); part !== undefined; part = await this.#flow.next()) {
        await this.#take(decodePart(part));
      }
      if (!this.#isComplete) throw new ProtocolError('the transfer ended before it was complete');
    } finally {
      await this.#file?.file.discard();
    }
  }

  /** No partial file is left when this returns, but for one that is just being made: `run`, whose flow has been stopped, removes it. */
  discardNow(): void {
    this.#isDiscarded = true;
    this.#file?.file.discardNow();
  }

  async #take(part: Part): Promise<void> {
    if (this.#isComplete) throw outOfTurn(part, 'the end');
    if ((this.#file !== undefined) !== (part.kind === 'bytes')) throw outOfTurn(part, 'the last one');
    switch (part.kind) {
      case 'bytes':
        return this.#write(part.bytes);
      case 'file':
        return this.#open(part);
      case 'folder':
        return this.#enter(part);
      case 'leave':
        return this.#leave(part);
      case 'link':
        return this.#link(part);
    }
  }

  async #open(part: Part & FileHead): Promise<void> {
    const path = this.#request.isFolder ? this.#pathOf(part) : await this.#ownFile(part);
    if (!this.#request.isFolder) this.#counter.totalBytes = part.size;
    this.#file = { head: part, file: await PartialFile.create(this.#files, path, part.size), left: part.size };
    if (part.size === 0) await this.#commit(this.#file);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const open = this.#file;
    if (open === undefined) return;
    open.left -= bytes.byteLength;
    if (open.left < 0) throw new ProtocolError(`more bytes of a file than the ${String(open.head.size)} announced`);
    await open.file.write(bytes);
    this.#counter.addBytes(bytes.byteLength);
    if (open.left === 0) await this.#commit(open);
  }

  async #commit({ file, head }: OpenFile): Promise<void> {
    // The transfer has failed already.
    if (this.#isDiscarded) return;
    const { mode = head.mode } = this.#request;
    await file.commit(mode, head.mtimeMs);
    this.#file = undefined;
    this.#counter.files++;
    this.#isComplete = !this.#request.isFolder;
  }

  async #enter(part: Part & FolderHead & { readonly totalBytes?: number | undefined }): Promise<void> {
    const isRoot = this.#request.isFolder && this.#folders.length === 0 && part.name.byteLength === 0;
    const path = isRoot ? Buffer.from(await copyPath(this.#files, this.#request)) : this.#pathOf(part);
    if (isRoot) this.#counter.totalBytes = part.totalBytes;
    if (isRoot) await doing('create the directory', path, this.#files.makeDirectory(folderOf(path)));
    const isNew = await makeFolder(this.#files, path, isRoot);
    if (isNew) await doing('create the directory', path, this.#files.chmod(path, part.mode | OWNER_ALL));
    this.#folders.push({ head: part, path, isNew });
    this.#counter.directories++;
  }

  async #leave(part: Part): Promise<void> {
    const folder = this.#folders.pop();
    if (folder === undefined) throw outOfTurn(part, 'no folder');
    const { path, isNew, head } = folder;
    if (isNew) {
      await doing('set the time of', path, this.#files.setTime(path, head.mtimeMs));
      await doing('set the mode of', path, this.#files.chmod(path, head.mode));
    }
    this.#isComplete = this.#folders.length === 0;
  }

  async #link(part: Part & LinkHead): Promise<void> {
    await placeLink(this.#files, part.target, this.#pathOf(part));
    this.#counter.links++;
  }

  #pathOf(part: Part & { name: Uint8Array }): Buffer {
    const folder = this.#folders.at(-1);
    if (folder === undefined || part.name.byteLength === 0) throw outOfTurn(part, 'no folder');
    return below(folder.path, part.name);
  }

  /** Where a single file goes. */
  async #ownFile(part: Part & FileHead): Promise<Buffer> {
    if (part.name.byteLength > 0) throw outOfTurn(part, 'no folder');
    const own = await copyPath(this.#files, this.#request);
    if (await isFolder(this.#files, own)) {
      throw new FileError('EISDIR', `${shownPath(own)} is a directory; to copy into it, end the path with a slash`);
    }
    const path = Buffer.from(own);
    await doing('create the directory of', path, this.#files.makeDirectory(folderOf(path)));
    return path;
  }
}

function outOfTurn(part: Part, after: string): ProtocolError {
  return new ProtocolError(`a part of kind ${part.kind}, out of turn: after ${after}`);
}

/** Returns whether it is new. A link to a directory counts as one only for the path that the caller named. */
async function makeFolder(files: FileSystem, path: Buffer, mayBeLink: boolean): Promise<boolean> {
  try {
    await files.mkdir(path, OWNER_ALL);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw cannot('create the directory', path, error);
  }
  const found = await doing('create the directory', path, mayBeLink ? files.stat(path) : files.lstat(path));
  if (found.kind === 'folder') return false;
  throw new FileError('ENOTDIR', `${shownPath(path)} is in the way: it is not a directory`);
}

async function isFolder(files: FileSystem, path: string): Promise<boolean> {
  try {
    return (await files.stat(Buffer.from(path))).kind === 'folder';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw cannot('write', path, error);
  }
}
