/** The process table, without zombies: from /proc where there is one, else from ps. */
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
/** Reads of /proc never wait, so they need no thread, but the event loop gets a turn in between. */
const PROCESSES_PER_TURN = 100;
/** A /proc with `hidepid=1` lists the processes of others, and refuses to show them. */
const ENDED_OR_HIDDEN: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'ESRCH', 'EPERM', 'EACCES']);
/** Index of the start time among the fields after the name; in ticks since the machine's start. */
const START = 19;
export const PS_COLUMNS = { args: 'pid=,ppid=,pgid=,stat=,args=', names: 'pid=,comm=' } as const;
const PS_OUTPUT_BYTES = 64 * 1024 * 1024;

const hasProc = (): boolean => existsSync('/proc/self/stat');

export function readProcesses(): Promise<ProcessInfo[]> {
  return hasProc() ? processesFromProc() : processesFromPs();
}

/** Whether the group has a member that is not a zombie. */
export async function hasLiveMember(pgid: number): Promise<boolean> {
  if (!hasProc()) return (await processesFromPs()).some(process => process.pgid === pgid);
  for await (const stat of statsFromProc()) if (stat.pgid === pgid) return true;
  return false;
}

export async function processGroupOf(pid: number): Promise<number | undefined> {
  if (hasProc()) return readStat(pid)?.pgid;
  return (await processesFromPs()).find(process => process.pid === pid)?.pgid;
}

/**
 * The start time in the system's own notation: it differs when a pid is reused. Undefined when the process has ended or
 * is hidden.
 */
export async function startOf(pid: number): Promise<string | undefined> {
  if (hasProc()) return readStat(pid)?.start;
  return startFromPs(pid);
}

/** Whether it has ended and was not waited for. Also false when it is hidden. */
export async function isZombie(pid: number): Promise<boolean> {
  if (hasProc()) return fieldsOf(pid)?.isEnded === true;
  const { stdout } = await execute('ps', ['-o', 'stat=', '-p', String(pid)]).catch(noneOfThem);
  return stdout.trim().startsWith('Z');
}

export async function startFromPs(pid: number): Promise<string | undefined> {
  const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
  // ps exits with 1 when there is none.
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
    if (commandLine !== undefined) processes.push(processOf(stat, commandLine));
  }
  return processes;
}

/** The process in the texts of `stat` and `cmdline` in /proc; undefined for a zombie, and for any other text. */
export function processFrom(stat: string, commandLine: string): ProcessInfo | undefined {
  const fields = fieldsIn(stat);
  if (fields.isEnded || !Number.isInteger(fields.stat.pgid)) return undefined;
  return processOf(fields.stat, commandLine);
}

function processOf({ pid, ppid, pgid, comm }: ProcessStat, commandLine: string): ProcessInfo {
  const args = commandLine.split('\0').join(' ').trimEnd();
  // Kernel threads have no arguments; ps shows them so.
  return { pid, ppid, pgid, comm, args: args === '' ? `[${comm}]` : args };
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
  return text === undefined ? undefined : fieldsIn(text);
}

function fieldsIn(text: string): { readonly isEnded: boolean; readonly stat: ProcessStat } {
  // "pid (comm) state ppid pgrp …", where comm may hold anything, also ") ".
  const commEnd = text.lastIndexOf(')');
  const fields = text.slice(commEnd + 2).split(' ');
  const [state, ppid, pgid] = fields;
  const comm = text.slice(text.indexOf('(') + 1, commEnd);
  const pid = Number(text.slice(0, text.indexOf(' ')));
  const stat = { pid, ppid: Number(ppid), pgid: Number(pgid), comm, start: fields[START] ?? '' };
  return { isEnded: state === 'Z' || state === 'X', stat };
}

/** Undefined when the process has ended or is hidden. Throws on other errors, such as EMFILE. */
function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${String(pid)}/${file}`, 'utf8');
  } catch (error) {
    if (ENDED_OR_HIDDEN.has((error as NodeJS.ErrnoException).code)) return undefined;
    throw error;
  }
}

/** Runs ps twice, because names and arguments may both contain spaces: only the last column can be parsed safely. */
export async function processesFromPs(): Promise<ProcessInfo[]> {
  const [withArgs, withNames] = await Promise.all([ps(PS_COLUMNS.args), ps(PS_COLUMNS.names)]);
  return processesInPs(withArgs, withNames);
}

/** The processes in the outputs of `ps -ww -eo` with each of PS_COLUMNS. */
export function processesInPs(withArgs: string, withNames: string): ProcessInfo[] {
  const names = new Map<number, string>();
  for (const line of withNames.split('\n')) {
    const [, pid, comm] = /^\s*(\d+) (.*)$/.exec(line) ?? [];
    if (comm !== undefined) names.set(Number(pid), comm.trim());
  }
  const processes: ProcessInfo[] = [];
  for (const line of withArgs.split('\n')) {
    const [, pid, ppid, pgid, state, args] = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    const comm = names.get(Number(pid));
    if (comm === undefined || args === undefined || state?.startsWith('Z') !== false) continue;
    processes.push({ pid: Number(pid), ppid: Number(ppid), pgid: Number(pgid), comm, args: args.trimEnd() });
  }
  return processes;
}

async function ps(columns: string): Promise<string> {
  const { stdout } = await execute('ps', ['-ww', '-eo', columns], { maxBuffer: PS_OUTPUT_BYTES });
  return stdout;
}
