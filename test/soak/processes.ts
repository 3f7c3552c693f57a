/** What runs on this machine, as the system tells it. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { isRunning } from '../support/processes-left.js';

const run = promisify(execFile);

/** Of running processes with `marker` in their command line or environment, this one left out. */
export function pidsWith(marker: string): number[] {
  const pids = readdirSync('/proc').map(Number);
  return pids.filter(pid => Number.isInteger(pid) && pid !== process.pid && isMarked(pid, marker) && isRunning(pid));
}

/** Whether it is, or was started by, something of the soak's. */
export function isMarked(pid: number, marker: string): boolean {
  return ['cmdline', 'environ'].some(file => readOf(pid, file).includes(marker));
}

/** For people. */
export function commandLineOf(pid: number): string {
  return readOf(pid, 'cmdline').replaceAll('\0', ' ').slice(0, 200).trim();
}

/** Of all children of these. */
export async function childrenOf(parents: readonly number[]): Promise<number[]> {
  const { stdout } = await run('ps', ['-e', '-o', 'pid=,ppid=,stat=']);
  const rows = stdout.split('\n').map(line => line.trim().split(/\s+/));
  return rows
    .filter(([, ppid, stat]) => parents.includes(Number(ppid)) && stat?.startsWith('Z') === false)
    .map(([pid]) => Number(pid));
}

/** Returns whether it was there to be signalled. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

function readOf(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${String(pid)}/${file}`, 'latin1');
  } catch (error) {
    // Ended meanwhile, or another user's, and so none of the drones'.
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(String((error as NodeJS.ErrnoException).code))) return '';
    throw error;
  }
}
