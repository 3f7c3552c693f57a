import { appendFile, lstat, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { localFiles } from '../transfer/file-system.js';
import { makeDirectory } from '../transfer/make-directory.js';
import { PartialFile } from '../transfer/partial-file.js';
import { copyPath } from '../transfer/paths.js';
import { PERMISSIONS } from '../transfer/request.js';
import type { CallContext } from './call-context.js';
import {
  appendArguments,
  copyArguments,
  copyFailed,
  copyOverFolder,
  scratchArgument,
  writeArguments,
} from './file-arguments.js';
import { runProgram } from './run.js';

export async function initialize(_context: CallContext, resultsDir: unknown): Promise<void> {
  const scratch = scratchArgument(resultsDir);
  await rm(scratch, { recursive: true, force: true });
  await makeDirectory(scratch);
}

export async function appendToFile(_context: CallContext, path: unknown, contents: unknown): Promise<void> {
  const { file, bytes } = appendArguments(path, contents);
  await makeDirectory(dirname(file));
  await appendFile(file, bytes);
}

export async function writeFile(_context: CallContext, path: unknown, contents: unknown): Promise<void> {
  const { given, bytes } = writeArguments(path, contents);
  const file = resolve(given);
  await makeDirectory(dirname(file));
  const found = await statOf(file);
  // A new file gets what the umask leaves.
  const size = Buffer.byteLength(bytes);
  const partial = await PartialFile.create(
    localFiles,
    Buffer.from(file),
    size,
    found === undefined ? 0o666 : undefined,
  );
  try {
    await partial.write(typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
    await partial.commit(found && Number(found.mode) & PERMISSIONS, Date.now());
  } catch (error) {
    await partial.discard();
    throw error;
  }
}

/**
 * Uses `cp -a`, which can be killed and, unlike any function of Node, keeps links, modes, times, owners and holes. The
 * destination is decided here, because cp would look at what is there.
 */
export async function copyFileOrDirectory(context: CallContext, source: unknown, destination: unknown): Promise<void> {
  const { named, into } = copyArguments(source, destination);
  const given = await localFiles.expandHome(named);
  // With a slash, a link is followed, and a file is an error.
  const found = await (given.endsWith('/') ? stat(given) : lstat(given));
  const from = resolve(given);
  const to = resolve(await copyPath(localFiles, { source: from, destination: into }));
  if (await isSame(from, to)) return;
  if (found.isDirectory()) {
    await makeDirectory(to);
    return copy(context, `${from}/.`, to);
  }
  if ((await statOf(to))?.isDirectory() === true) {
    throw copyOverFolder(to);
  }
  await makeDirectory(dirname(to));
  return copy(context, from, to);
}

/**
 * Both paths are absolute, so that a leading dash is not an option. The output of cp is kept for the error, and not
 * streamed.
 */
async function copy(context: CallContext, from: string, to: string): Promise<void> {
  const { signal: stop, killGraceMs } = context;
  const unstreamed = {
    signal: stop,
    killGraceMs,
    output: undefined,
    prints: (): void => undefined,
    warn: (message: string): void => context.warn(message),
  };
  const { exitCode, signal, stderr } = await runProgram(unstreamed, 'cp', ['-a', from, to], {});
  if (exitCode === 0) return;
  throw copyFailed(from, to, exitCode === null ? `ended by ${String(signal)}` : `status ${String(exitCode)}`, stderr);
}

async function isSame(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([statOf(one), statOf(other)]);
  return a !== undefined && a.dev === b?.dev && a.ino === b.ino;
}

async function statOf(path: string): Promise<Awaited<ReturnType<typeof stat>> | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}
