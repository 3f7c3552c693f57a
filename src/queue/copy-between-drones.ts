/** Copies from one drone to another through the controller: neither drone needs a credential for the other. */
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { checkDrone, type Drone } from './drone/drone.js';
import { DroneError } from './drone/drone-error.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { checked, text } from '../option/option-kinds.js';
import { readOptions, type Table } from '../option/option-table.js';
import type { TaskQueue } from './task-queue.js';
import { isMode } from './transfer/request.js';
import { isFolderPath } from './transfer/paths.js';
import type { FileTransferResult, UtilityMethods } from './wire/methods.js';

/** A file or directory on a drone. */
export interface DronePath {
  readonly drone: Drone<Pick<UtilityMethods, 'getFile' | 'getDirectory' | 'putFile' | 'putDirectory'>>;
  readonly path: string;
}

/** Options for copying between drones. */
export interface CopyBetweenDronesOptions {
  /** Permissions of the new file, from 0 to 0o777; not for directories. Default: those of the source. */
  mode?: number | undefined;
  /**
   * Directory on the controller in which to create a temporary directory for the copy. Default: the system's directory
   * for temporary files.
   */
  temporaryFolder?: string | undefined;
}

export const COPY_BETWEEN_DRONES = {
  mode: checked<number>('an integer from 0 to 0o777', isMode),
  temporaryFolder: text().orElse("the system's", tmpdir),
} satisfies Table<CopyBetweenDronesOptions>;

/**
 * Copies a file or directory from one drone to another immediately, beside their queues, with the promises of `getFile`
 * and `putFile`, or of `getDirectory` and `putDirectory`. The whole copy passes through a private temporary directory
 * on the controller, which is always removed.
 *
 * Rejects with the DroneError of the drone at fault, as `queue.call` does, or with a TypeError (`ERR_INVALID_ARG`) for
 * invalid arguments.
 *
 * ```ts
 * await copyBetweenDrones(queue, { drone: builder, path: 'out/app.tar' }, { drone: web1, path: '/srv/app.tar' });
 * ```
 */
export async function copyBetweenDrones(
  queue: Pick<TaskQueue, 'call'>,
  from: DronePath,
  to: DronePath,
  options: CopyBetweenDronesOptions = {},
): Promise<FileTransferResult> {
  for (const [name, { drone, path }] of Object.entries({ from, to })) {
    checkDrone(`${name}.drone`, drone);
    if (typeof path !== 'string' || path === '') throw invalidArgument(`${name}.path`, path, 'a non-empty string');
  }
  const { mode, temporaryFolder } = readOptions(COPY_BETWEEN_DRONES, options);
  const folder = await mkdtemp(join(temporaryFolder, 'drone-copy-'));
  try {
    // Keeps its name: a directory at the destination takes it in under that name.
    const file = join(folder, basename(from.path));
    if (await gotFile(queue, from, file)) return await queue.call(to.drone, 'putFile', file, to.path, { mode });
    if (mode !== undefined) throw invalidArgument('mode', mode, 'none, because from.path is a directory');
    const isNamed = !isFolderPath(from.path);
    if (!isNamed && to.path.endsWith('/')) {
      throw invalidArgument('to.path', to.path, 'no slash at the end, because from.path has no name for the copy');
    }
    const contents = join(folder, 'tree', isNamed ? basename(from.path) : 'contents');
    const { leftOut } = await queue.call(from.drone, 'getDirectory', from.path, contents);
    return { ...(await queue.call(to.drone, 'putDirectory', contents, to.path)), leftOut };
  } finally {
    await remove(folder);
  }
}

const SLASH = Buffer.from('/');

/** A copied directory keeps its mode, which may forbid to read or remove what is in it. */
async function remove(folder: string): Promise<void> {
  await makeWritable(Buffer.from(folder));
  await rm(folder, { recursive: true, force: true });
}

/** Names are bytes, not always text. */
async function makeWritable(folder: Buffer): Promise<void> {
  await chmod(folder, 0o700);
  for (const entry of await readdir(folder, { withFileTypes: true, encoding: 'buffer' })) {
    if (entry.isDirectory()) await makeWritable(Buffer.concat([folder, SLASH, entry.name]));
  }
}

/** Returns false for a directory. */
async function gotFile(queue: Pick<TaskQueue, 'call'>, { drone, path }: DronePath, file: string): Promise<boolean> {
  if (isFolderPath(path)) return false;
  try {
    await queue.call(drone, 'getFile', path, file);
    return true;
  } catch (error) {
    if (error instanceof DroneError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'EISDIR')
      return false;
    throw error;
  }
}
