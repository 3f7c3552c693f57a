/** `refresh`: what a scheduler must know of the detached commands on a drone. */
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { RefreshResult } from '../wire/methods.js';
import { listArg, textArg } from './arguments.js';
import type { CallContext } from './call-context.js';
import { readProcesses } from '../../process/process-table.js';

/** Files open at once: enough for a slow file system, few enough for any limit on open files. */
const READERS = 32;

/** More than any pidfile has; of a longer file one byte more, so that it is known for what it is. */
const MAX_PIDFILE_BYTES = 4096;

/** There is certainly no such file. */
const MISSING: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR']);

export async function refresh(_context: CallContext, pidfilePaths: unknown): Promise<RefreshResult> {
  const paths = listArg('refresh: pidfilePaths', pidfilePaths).map((path, at) =>
    textArg(`refresh: pidfilePaths[${String(at)}]`, path),
  );
  const unreadable = new Map<string, string>();
  const pidfiles = await readAll(paths, unreadable);
  const processes = await readProcesses();
  const pidfilesSecondRead = await readAll(paths, unreadable);
  return { pidfiles, processes, pidfilesSecondRead, unreadable: Object.fromEntries(unreadable) };
}

async function readAll(paths: readonly string[], unreadable: Map<string, string>): Promise<Record<string, string>> {
  const contents: [string, string][] = [];
  const left = paths.values();
  const reader = async (): Promise<void> => {
    for (const path of left) {
      try {
        const text = await readPlainFile(path);
        if (text !== undefined) contents.push([path, text]);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (!MISSING.has(code)) unreadable.set(path, code ?? String(error));
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(READERS, paths.length) }, reader));
  return Object.fromEntries(contents);
}

/** Undefined for a folder, and for a pipe or device, which might never end. */
async function readPlainFile(path: string): Promise<string | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    return (await file.stat()).isFile() ? await readStart(file) : undefined;
  } finally {
    await file.close();
  }
}

async function readStart(file: FileHandle): Promise<string> {
  const buffer = Buffer.alloc(MAX_PIDFILE_BYTES + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
    length += bytesRead;
    if (bytesRead === 0 || length === buffer.length) return buffer.toString('utf8', 0, length);
  }
}
