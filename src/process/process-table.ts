/** The process table: from /proc where there is one, else from ps. Processes that have ended (zombies) are not in it. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';

/** One line of a drone's process table. */
export interface ProcessInfo {
  readonly pid: number;
  readonly ppid: number;
  readonly pgid: number;
  /** Name of the executable, as `ps -o comm` shows it. */
  readonly comm: string;
  readonly args: string;
}

type ProcessStat = Omit<ProcessInfo, 'args'> & { readonly start: string };

const execute = promisify(execFile);
/** Reads of /proc are fast and never wait, so they are not worth a thread; but the event loop gets a turn in between. */
const PROCESSES_PER_TURN = 100;
/** A /proc that hides the processes of others (`hidepid=1`) lists them, and refuses to tell of them. */
const ENDED_OR_HIDDEN: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'ESRCH', 'EPERM', 'EACCES']);
/** Of the fields that follow the name; in ticks since the machine has started. */
const START = 19;
const PS_OUTPUT_BYTES = 64 * 1024 * 1024;

const hasProc = (): boolean => existsSync('/proc/self/stat');

export function readProcesses(): Promise<ProcessInfo[]> {
  return hasProc() ? processesFromProc() : processesFromPs();
}

/** Whether the group has a member that is not merely a zombie. */
export async function hasLiveMember(pgid: number): Promise<boolean> {
  if (!hasProc()) return (await processesFromPs()).some(process => process.pgid === pgid);
  for await (const stat of statsFromProc()) if (stat.pgid === pgid) return true;
  return false;
}

/** The process group of a process; undefined when there is no such process. */
export async function processGroupOf(pid: number): Promise<number | undefined> {
  if (hasProc()) return readStat(pid)?.pgid;
  return (await processesFromPs()).find(process => process.pid === pid)?.pgid;
}

/**
 * When it was started, in the system's own way of saying that: a pid that is used again comes with another one. Undefined
 * when it has ended, or is hidden from us.
 */
export async function startOf(pid: number): Promise<string | undefined> {
  if (hasProc()) return readStat(pid)?.start;
  return startFromPs(pid);
}

/** Whether it has ended, and nobody has asked for its end yet. False, too, when it is hidden from us. */
export async function isZombie(pid: number): Promise<boolean> {
  if (hasProc()) return fieldsOf(pid)?.isEnded === true;
  const { stdout } = await execute('ps', ['-o', 'stat=', '-p', String(pid)]).catch(noneOfThem);
  return stdout.trim().startsWith('Z');
}

export async function startFromPs(pid: number): Promise<string | undefined> {
  const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
  // It exits with 1 when there is none.
  const { stdout } = await execute('ps', ['-o', 'stat=', '-o', 'lstart=', '-p', String(pid)], { env }).catch(
    noneOfThem,
  );
  const [, state, start] = /^\s*(\S+)\s+(.*\S)\s*$/.exec(stdout) ?? [];
  return state?.startsWith('Z') === false ? start : undefined;
}

function noneOfThem(error: unknown): { readonly stdout: string } {
  if ((error as { code?: unknown }).code === 1) return { stdout: '' };
  throw error;
}

export async function processesFromProc(): Promise<ProcessInfo[]> {
  const processes: ProcessInfo[] = [];
  for await (const stat of statsFromProc()) {
    const commandLine = readProc(stat.pid, 'cmdline');
    if (commandLine === undefined) continue;
    const args = commandLine.split('\0').join(' ').trimEnd();
    // Kernel threads have no arguments; ps shows them so.
    const { pid, ppid, pgid, comm } = stat;
    processes.push({ pid, ppid, pgid, comm, args: args === '' ? `[${comm}]` : args });
  }
  return processes;
}

async function* statsFromProc(): AsyncGenerator<ProcessStat> {
  let read = 0;
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    if (++read % PROCESSES_PER_TURN === 0) await nextTurn();
    const stat = readStat(pid);
    if (stat !== undefined) yield stat;
  }
}

function readStat(pid: number): ProcessStat | undefined {
  const { isEnded, stat } = fieldsOf(pid) ?? {};
  return isEnded === true ? undefined : stat;
}

function fieldsOf(pid: number): { readonly isEnded: boolean; readonly stat: ProcessStat } | undefined {
  const text = readProc(pid, 'stat');
  if (text === undefined) return undefined;
  // "pid (comm) state ppid pgrp …", where comm may hold anything, also ") ".
  const commEnd = text.lastIndexOf(')');
  const fields = text.slice(commEnd + 2).split(' ');
  const [state, ppid, pgid] = fields;
  const comm = text.slice(text.indexOf('(') + 1, commEnd);
  const stat = { pid, ppid: Number(ppid), pgid: Number(pgid), comm, start: fields[START] ?? '' };
  return { isEnded: state === 'Z' || state === 'X', stat };
}

/** Undefined when the process has ended meanwhile, or is hidden from us. Throws what says neither, such as EMFILE. */
function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${String(pid)}/${file}`, 'utf8');
  } catch (error) {
    if (ENDED_OR_HIDDEN.has((error as NodeJS.ErrnoException).code)) return undefined;
    throw error;
  }
}

/** Two runs, because names and arguments may both hold spaces: only the last column of each can be told from the rest. */
export async function processesFromPs(): Promise<ProcessInfo[]> {
  const [withArgs, withNames] = await Promise.all([ps('pid=,ppid=,pgid=,stat=,args='), ps('pid=,comm=')]);
  const names = new Map<number, string>();
  for (const line of withNames) {
    const [, pid, comm] = /^\s*(\d+) (.*)$/.exec(line) ?? [];
    if (comm !== undefined) names.set(Number(pid), comm.trim());
  }
  const processes: ProcessInfo[] = [];
  for (const line of withArgs) {
    const [, pid, ppid, pgid, state, args] = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    const comm = names.get(Number(pid));
    if (comm === undefined || args === undefined || state?.startsWith('Z') !== false) continue;
    processes.push({ pid: Number(pid), ppid: Number(ppid), pgid: Number(pgid), comm, args: args.trimEnd() });
  }
  return processes;
}

async function ps(columns: string): Promise<string[]> {
  const { stdout } = await execute('ps', ['-ww', '-eo', columns], { maxBuffer: PS_OUTPUT_BYTES });
  return stdout.split('\n');
}
