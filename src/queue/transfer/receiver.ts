/**
 * Writes what comes, part by part, and nothing outside of the destination.
 *
 * What comes is not trusted. A part names an entry of the folder that was entered last, which is one that this receiver
 * has made or has seen to be a folder; so no link, sent before or there already, is ever written through, and what it is
 * written to is all there is to check. A part out of turn, or more bytes than announced, is a ProtocolError.
 */
import { chmod, lstat, mkdir, stat, utimes } from 'node:fs/promises';
import { basename } from 'node:path';
import { ProtocolError } from '../wire/frames.js';
import { cannot, doing, FileError } from './failure.js';
import type { Inflow } from './flow.js';
import type { TransferOrder } from './order.js';
import { PartialFile, placeLink } from './partial-file.js';
import { decodePart, type FileHead, type FolderHead, type LinkHead, type Part } from './parts.js';
import { below, folderOf, ownPath, shownPath, withoutSlash } from './paths.js';
import type { Tally } from './tally.js';

/** What we need to fill a folder, whatever its mode will be. */
const OWNER_ALL = 0o700;

interface OpenFile {
  readonly head: FileHead;
  readonly file: PartialFile;
  left: number;
}

interface OpenFolder {
  readonly head: FolderHead;
  readonly path: Buffer;
  /** One that was there keeps its mode and time. */
  readonly isNew: boolean;
}

export class Receiver {
  readonly #order: TransferOrder;
  readonly #flow: Inflow;
  readonly #tally: Tally;
  readonly #folders: OpenFolder[] = [];
  #file: OpenFile | undefined;
  #isComplete = false;
  #isDiscarded = false;

  constructor(order: TransferOrder, flow: Inflow, tally: Tally) {
    this.#order = order;
    this.#flow = flow;
    this.#tally = tally;
  }

  /** Resolves when all is in its place. However it ends, no partial file is left. */
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
    const path = this.#order.isFolder ? this.#pathOf(part) : await this.#ownFile(part);
    if (!this.#order.isFolder) this.#tally.totalBytes = part.size;
    this.#file = { head: part, file: await PartialFile.create(path), left: part.size };
    if (part.size === 0) await this.#commit(this.#file);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const open = this.#file;
    if (open === undefined) return;
    open.left -= bytes.byteLength;
    if (open.left < 0) throw new ProtocolError(`more bytes of a file than the ${String(open.head.size)} announced`);
    await open.file.write(bytes);
    this.#tally.addBytes(bytes.byteLength);
    if (open.left === 0) await this.#commit(open);
  }

  async #commit({ file, head }: OpenFile): Promise<void> {
    // Whoever asked for it was told that it failed.
    if (this.#isDiscarded) return;
    const { mode = head.mode } = this.#order;
    await file.commit(mode, head.mtimeMs);
    this.#file = undefined;
    this.#tally.files++;
    this.#isComplete = !this.#order.isFolder;
  }

  async #enter(part: Part & FolderHead): Promise<void> {
    const isRoot = this.#order.isFolder && this.#folders.length === 0 && part.name.byteLength === 0;
    const path = isRoot ? Buffer.from(withoutSlash(ownPath(this.#order.destination))) : this.#pathOf(part);
    if (isRoot) await doing('make the folder', path, mkdir(folderOf(path), { recursive: true }));
    const isNew = await makeFolder(path, isRoot);
    if (isNew) await doing('make the folder', path, chmod(path, part.mode | OWNER_ALL));
    this.#folders.push({ head: part, path, isNew });
    this.#tally.folders++;
  }

  async #leave(part: Part): Promise<void> {
    const folder = this.#folders.pop();
    if (folder === undefined) throw outOfTurn(part, 'no folder');
    const { path, isNew, head } = folder;
    if (isNew) {
      await doing('set the time of', path, utimes(path, Date.now() / 1000, head.mtimeMs / 1000));
      await doing('set the mode of', path, chmod(path, head.mode));
    }
    this.#isComplete = this.#folders.length === 0;
  }

  async #link(part: Part & LinkHead): Promise<void> {
    await placeLink(part.target, this.#pathOf(part));
    this.#tally.links++;
  }

  /** Of an entry of the folder that was entered last. */
  #pathOf(part: Part & { name: Uint8Array }): Buffer {
    const folder = this.#folders.at(-1);
    if (folder === undefined || part.name.byteLength === 0) throw outOfTurn(part, 'no folder');
    return below(folder.path, part.name);
  }

  /** Where the one file goes: as with cp, into what is a folder or ends in a slash. */
  async #ownFile(part: Part & FileHead): Promise<Buffer> {
    if (part.name.byteLength > 0) throw outOfTurn(part, 'no folder');
    const { source, destination } = this.#order;
    const given = ownPath(destination);
    const isInto = given.endsWith('/') || (await isFolder(given));
    const path = Buffer.from(isInto ? `${given}/${basename(source)}` : given);
    await doing('make the folder of', path, mkdir(folderOf(path), { recursive: true }));
    return path;
  }
}

function outOfTurn(part: Part, after: string): ProtocolError {
  return new ProtocolError(`a part of kind ${part.kind}, out of turn: after ${after}`);
}

/** Returns whether it was not there. A link to a folder counts as one only for what the caller has named. */
async function makeFolder(path: Buffer, mayBeLink: boolean): Promise<boolean> {
  try {
    await mkdir(path, OWNER_ALL);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw cannot('make the folder', path, error);
  }
  const found = await doing('make the folder', path, mayBeLink ? stat(path) : lstat(path));
  if (found.isDirectory()) return false;
  throw new FileError('ENOTDIR', `${shownPath(path)} is in the way: it is no folder`);
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw cannot('write', path, error);
  }
}
