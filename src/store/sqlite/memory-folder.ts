/** A private directory for a database in memory. */
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file system in memory on Linux. */
const SHARED_MEMORY = '/dev/shm';

/** One listener removes them all when the process ends without closing their stores. */
const folders = new Set<string>();

function removeAll(): void {
  for (const path of folders) rmSync(path, { recursive: true, force: true });
}

export class MemoryFolder {
  readonly path = mkdtempSync(join(isWritable(SHARED_MEMORY) ? SHARED_MEMORY : tmpdir(), 'drone-store-'));

  constructor() {
    if (folders.size === 0) process.on('exit', removeAll);
    folders.add(this.path);
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
    folders.delete(this.path);
    if (folders.size === 0) process.off('exit', removeAll);
  }
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
