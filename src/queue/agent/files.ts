/** The methods that work on files. */
import { appendFile, lstat, mkdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { contentsArg, textArg } from './arguments.js';
import type { CallContext } from './call-context.js';
import { runProgram } from './run.js';

export async function initialize(_context: CallContext, resultsDir: unknown): Promise<void> {
  const scratch = join(textArg('initialize: resultsDir', resultsDir), 'drone_tmp');
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { recursive: true });
}

export async function writeToFile(_context: CallContext, path: unknown, contents: unknown): Promise<void> {
  const file = textArg('writeToFile: path', path);
  const bytes = contentsArg('writeToFile: contents', contents);
  await mkdir(dirname(file), { recursive: true });
  await appendFile(file, bytes);
}

/**
 * By `cp -a`, which keeps links, modes, times, owners and holes as no function of Node does, and can be ended. As with
 * it, an existing folder as destination is copied into.
 */
export async function copyFileOrDirectory(context: CallContext, source: unknown, destination: unknown): Promise<void> {
  const from = textArg('copyFileOrDirectory: source', source);
  const to = textArg('copyFileOrDirectory: destination', destination);
  if (from.endsWith('/')) {
    await stat(from);
    if (await isSame(from, to)) return;
    await mkdir(to, { recursive: true });
    return copy(context, `${resolve(from)}/.`, resolve(to));
  }
  await lstat(from);
  const into = to.endsWith('/') || ((await statOf(to))?.isDirectory() ?? false);
  if (await isSame(from, into ? join(to, basename(resolve(from))) : to)) return;
  await mkdir(into ? to : dirname(to), { recursive: true });
  return copy(context, resolve(from), resolve(to));
}

/** Both paths absolute: a name that starts with a dash is no option then. */
async function copy(context: CallContext, from: string, to: string): Promise<void> {
  const { exitCode, signal, stderr } = await runProgram(context, 'cp', ['-a', from, to], {});
  if (exitCode === 0) return;
  const how = exitCode === null ? `ended by ${String(signal)}` : `status ${String(exitCode)}`;
  throw Object.assign(new Error(`copyFileOrDirectory: cannot copy ${from} to ${to} (cp: ${how}): ${stderr.trim()}`), {
    code: 'ERR_COPY_FAILED',
  });
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
