/** A private folder for a database that is to leave nothing behind. */
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Memory, as far as files go, on Linux. */
const SHARED_MEMORY = '/dev/shm';

export class MemoryFolder {
  readonly path = mkdtempSync(join(isWritable(SHARED_MEMORY) ? SHARED_MEMORY : tmpdir(), 'drone-store-'));

  constructor() {
    process.once('exit', this.#removeNow);
  }

  async remove(): Promise<void> {
    process.off('exit', this.#removeNow);
    await rm(this.path, { recursive: true, force: true });
  }

  readonly #removeNow = (): void => {
    rmSync(this.path, { recursive: true, force: true });
  };
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
