/** `refresh`: what a scheduler must know of a drone's detached commands. */
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { RefreshResult } from '../wire/methods.js';
import { pidfilesArg } from './arguments.js';
import type { CallContext } from './call-context.js';
import { MAX_PIDFILE_BYTES, MISSING } from './pidfiles.js';
import { readProcesses } from '../../process/process-table.js';

/** Files open at once: enough for a slow file system, below any limit on open files. */
const READERS = 32;

export async function refresh(_context: CallContext, pidfilePaths: unknown): Promise<RefreshResult> {
  const paths = pidfilesArg('refresh: pidfilePaths', pidfilePaths);
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

/** Undefined for a directory, pipe or device: the last two might never end. */
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
