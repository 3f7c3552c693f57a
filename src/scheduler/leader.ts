/**
 * The shell that leads the process group of a command that `executeCommand` started: its pid is what the pidfile names,
 * and its arguments hold the pidfile's path. So a process that merely got an old pid is not taken for it, and a command
 * that nobody watches is found by its process alone.
 *
 * Matched by parts of a line, not by whole lines: where there is no /proc, `ps` shows line ends in its own way.
 */
import { LIVES_ON } from '../process/end-script.js';
import type { ProcessInfo } from '../process/process-table.js';

/** What stands behind the shell's script: its name, the pidfile, and the path of the program, absolute both. */
const PIDFILE = />>"\$pidfile" sh (\/.*?) \//s;

export function isGroupLeader({ pid, pgid }: ProcessInfo): boolean {
  return pid === pgid;
}

/** Whether it leads the command of this pidfile. */
export function leads(process: ProcessInfo, pidfile: string): boolean {
  return isLeaderOfOurs(process) && process.args.includes(` sh ${pidfile} `);
}

/** The pidfile of the command that it leads; undefined for any other process. */
export function pidfileLedBy(process: ProcessInfo): string | undefined {
  return isLeaderOfOurs(process) ? PIDFILE.exec(process.args)?.[1] : undefined;
}

/** Before it runs the command, a child of the shell has the same arguments, but not a group of its own. */
function isLeaderOfOurs(process: ProcessInfo): boolean {
  return isGroupLeader(process) && process.args.includes(LIVES_ON);
}
