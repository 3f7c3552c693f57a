/**
 * Recognizes the shell that leads the process group of a command of `executeCommand`. The pidfile names its pid, and its
 * arguments contain the pidfile's path: so a process that merely reuses the pid does not match, and an unwatched command is
 * found by its process alone. Matches parts of a line, as `ps` without /proc shows line ends in its own way.
 */
import { LIVES_ON } from '../process/end-script.js';
import type { ProcessInfo } from '../process/process-table.js';

/** Behind the shell's script: its name, the pidfile and the program, both absolute paths. */
const PIDFILE = />>"\$pidfile" sh (\/.*?) \//s;

export function isGroupLeader({ pid, pgid }: ProcessInfo): boolean {
  return pid === pgid;
}

export function leads(process: ProcessInfo, pidfile: string): boolean {
  return isLeaderOfOurs(process) && process.args.includes(` sh ${pidfile} `);
}

export function pidfileLedBy(process: ProcessInfo): string | undefined {
  return isLeaderOfOurs(process) ? PIDFILE.exec(process.args)?.[1] : undefined;
}

/** A child of the shell has the same arguments until it runs the command, but no group of its own. */
function isLeaderOfOurs(process: ProcessInfo): boolean {
  return isGroupLeader(process) && process.args.includes(LIVES_ON);
}
