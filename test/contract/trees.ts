/** Files and directories for transfers, and a look at what became of them. */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readlink,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const LONG_AGO = new Date('2001-02-03T04:05:06Z');

/** A temporary directory that another user may write to, for `await using`. */
export class Scratch implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<Scratch> {
    const path = await mkdtemp(join(tmpdir(), 'transfer-'));
    await chmod(path, 0o777);
    return new Scratch(path);
  }

  /** Path of something in it. */
  of(...names: string[]): string {
    return join(this.path, ...names);
  }

  async folder(name: string): Promise<string> {
    const path = this.of(name);
    await mkdir(path, { recursive: true });
    await chmod(path, 0o777);
    return path;
  }

  /** A file of random bytes. */
  async file(name: string, bytes: number): Promise<string> {
    await writeFile(this.of(name), randomBytes(bytes));
    return this.of(name);
  }

  /** A file that is all hole, and so of any size: one that no test sees the end of. */
  async hole(name: string, bytes = 2 ** 40): Promise<string> {
    const handle = await open(this.of(name), 'w');
    await handle.truncate(bytes);
    await handle.close();
    return this.of(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true });
  }
}

export async function hashOf(path: string | Buffer): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** A tree with all that is kept: modes, times, links, an empty directory, odd names. Returns its path. */
export async function makeTree(scratch: Scratch, name: string): Promise<string> {
  const root = await scratch.folder(name);
  for (const folder of ['inner', 'inner/deep', 'empty', 'two\nlines']) await mkdir(join(root, folder));
  await writeFile(join(root, 'file'), 'contents');
  await writeFile(join(root, 'nothing'), '');
  await writeFile(join(root, 'inner', 'program'), '#!/bin/sh\n');
  await writeFile(join(root, 'inner', 'deep', 'large'), randomBytes(300_000));
  await writeFile(join(root, 'two\nlines', '-rf *'), 'dash');
  await writeFile(join(root, 'ünïcode ☃'), 'snow');
  await writeFile(Buffer.concat([Buffer.from(`${root}/latin-`), Buffer.of(0xe9)]), 'no UTF-8');
  await symlink('file', join(root, 'link'));
  await symlink('../nowhere', join(root, 'inner', 'broken'));
  await symlink('/etc', join(root, 'outside'));
  await chmod(join(root, 'inner', 'program'), 0o751);
  await chmod(join(root, 'file'), 0o640);
  for (const path of ['file', 'inner/program', 'inner']) await utimes(join(root, path), LONG_AGO, LONG_AGO);
  await chmod(join(root, 'inner', 'deep'), 0o711);
  return root;
}

/** What is in a directory, by path: kind, mode, time and contents. */
export async function lookAt(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const visit = async (path: Buffer, shown: string): Promise<void> => {
    for (const name of (await readdir(path, { encoding: 'buffer' })).sort((a, b) => a.compare(b))) {
      const entry = Buffer.concat([path, Buffer.from('/'), name]);
      const { mode, mtimeMs } = await lstat(entry);
      // Times are set in seconds, as a float: a copy's may be less by a fraction of a microsecond.
      const wholeMs = Math.floor(mtimeMs + 0.001);
      const kind = mode >> 12;
      const key = `${shown}/${name.toString('latin1')}`;
      if (kind === 0o12) {
        found[key] = `link to ${await readlink(entry)}`;
      } else {
        const isFolder = kind === 0o4;
        const what = isFolder ? 'folder' : await hashOf(entry);
        found[key] = `${(mode & 0o7777).toString(8)} ${String(wholeMs)} ${what}`;
        if (isFolder) await visit(entry, key);
      }
    }
  };
  await visit(Buffer.from(folder), '');
  return found;
}
