/** A private folder for a database that is to leave nothing behind. */
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Memory, as far as files go, on Linux. */
const SHARED_MEMORY = '/dev/shm';

/** Those that are there. One listener for all: of many Node says that they look like a leak. */
const folders = new Set<string>();

export class MemoryFolder {
  readonly path = mkdtempSync(join(isWritable(SHARED_MEMORY) ? SHARED_MEMORY : tmpdir(), 'drone-store-'));

  constructor() {
    if (folders.size === 0) process.on('exit', removeAll);
    folders.add(this.path);
  }

  async remove(): Promise<void> {
    folders.delete(this.path);
    if (folders.size === 0) process.off('exit', removeAll);
    await rm(this.path, { recursive: true, force: true });
  }
}

function removeAll(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
