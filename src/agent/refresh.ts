/** `refresh`: what a scheduler must know of the detached commands on a drone. */
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { RefreshResult } from '../utility.js';
import { listArg, textArg } from './arguments.js';
import type { CallContext } from './call-context.js';
import { readProcesses } from './processes.js';

/** Files open at once: enough for a slow file system, few enough for any limit on open files. */
const READERS = 32;

export async function refresh(_context: CallContext, pidfilePaths: unknown): Promise<RefreshResult> {
  const paths = listArg('refresh: pidfilePaths', pidfilePaths).map((path, at) =>
    textArg(`refresh: pidfilePaths[${String(at)}]`, path),
  );
  const pidfiles = await readAll(paths);
  const processes = await readProcesses();
  return { pidfiles, processes, pidfilesSecondRead: await readAll(paths) };
}

async function readAll(paths: readonly string[]): Promise<Record<string, string>> {
  const contents: [string, string][] = [];
  const left = paths.values();
  const reader = async (): Promise<void> => {
    for (const path of left) {
      const text = await readPlainFile(path);
      if (text !== undefined) contents.push([path, text]);
    }
  };
  await Promise.all(Array.from({ length: Math.min(READERS, paths.length) }, reader));
  return Object.fromEntries(contents);
}

/** Undefined for what is missing or unreadable; a pipe or device, which might never end, counts as that. */
async function readPlainFile(path: string): Promise<string | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return (await file.stat()).isFile() ? await file.readFile('utf8') : undefined;
  } catch {
    return undefined;
  } finally {
    await file?.close();
  }
}
