/** A directory of this machine that the login user of drones can read and write. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export async function withSharedFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'drone-fault-'));
  try {
    await chmod(folder, 0o777);
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}
