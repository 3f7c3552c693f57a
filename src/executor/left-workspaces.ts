/**
 * Workspaces of killed executors. A workspace's name identifies its process: machine, pid and start time, because pids are
 * reused. It is abandoned when that process is gone.
 */
import { randomUUID } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isZombie, startOf } from '../process/process-table.js';
import type { Log } from '../report/log.js';
import { machine } from './machine.js';
import { endSurvivorsIn } from './surviving-processes.js';

const NAME = /^job_(?<machine>[0-9a-f]+)_(?<pid>[1-9]\d*)_(?<start>\w+)_[0-9a-f-]{36}$/;

/** 11 s in all: a command of a killed process may still write for a few seconds. */
const RETRIES = { maxRetries: 10, retryDelay: 200 } as const;

export async function makeWorkspace(workspaces: string): Promise<string> {
  const start = nameOfStart(await startOf(process.pid));
  const folder = join(workspaces, `job_${machine()}_${String(process.pid)}_${start}_${randomUUID()}`);
  await mkdir(folder, { recursive: true });
  return folder;
}

/** Removes those of ended processes. Never rejects: logs what it cannot remove, and what another machine has created. */
export async function removeLeftWorkspaces(workspaces: string, log: Log, signal: AbortSignal): Promise<void> {
  const here = machine();
  const foreign: string[] = [];
  for (const entry of await foldersIn(workspaces, log)) {
    const groups = NAME.exec(entry.name)?.groups;
    if (groups === undefined || !entry.isDirectory()) continue;
    if (signal.aborted) return;
    const folder = join(workspaces, entry.name);
    // Its processes are not visible from here.
    if (groups['machine'] !== here) foreign.push(folder);
    else await removeIfLeft(folder, Number(groups['pid']), groups['start'], log);
  }
  if (foreign.length > 0) log.info('workspaces of another machine or container were left alone', { folders: foreign });
}

async function foldersIn(workspaces: string, log: Log): Promise<Dirent[]> {
  try {
    return await readdir(workspaces, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    log.warn('failed to look for abandoned workspaces', { workspaces, error });
    return [];
  }
}

async function removeIfLeft(folder: string, pid: number, start: string | undefined, log: Log): Promise<void> {
  try {
    if (await isProcessThere(pid, start)) return;
    await endSurvivorsIn(folder, log);
    await rm(folder, { recursive: true, force: true, ...RETRIES });
    log.info('a workspace of a former process was removed', { folder });
  } catch (error) {
    log.warn('a workspace of a former process could not be removed', { folder, error });
  }
}

/** `start` as in the name of a workspace. */
export async function isProcessThere(pid: number, start: string | undefined): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Another user's process may be hidden, and so its start.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
  const now = await startOf(pid);
  // A process of this user may be hidden too, which does not mean that it has ended.
  return now === undefined ? !(await isZombie(pid)) : nameOfStart(now) === start;
}

/** Empty for a process that has ended or is hidden. */
function nameOfStart(start: string | undefined): string {
  return start?.replace(/\W/g, '') ?? '';
}
