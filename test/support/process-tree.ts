/** Processes by descent, as /proc shows them to this process. */
import { readdirSync, readFileSync } from 'node:fs';
import { readGone } from './processes-left.js';

export interface RunningProcess {
  readonly pid: number;
  readonly parent: number;
  /** The effective user. */
  readonly uid: number;
  /** With a space behind each argument. */
  readonly args: string;
}

/** All that run, by pid; without those that have ended and wait to be reaped. */
export function runningProcesses(): Map<number, RunningProcess> {
  const found = new Map<number, RunningProcess>();
  for (const name of readdirSync('/proc').filter(entry => /^\d+$/.test(entry))) {
    const status = readGone(() => readFileSync(`/proc/${name}/status`, 'utf8'));
    const args = readGone(() => readFileSync(`/proc/${name}/cmdline`, 'latin1'));
    if (status === undefined || args === undefined) continue;
    const [, state = ''] = /^State:\s+(\S)/m.exec(status) ?? [];
    const [, parent] = /^PPid:\s+(\d+)/m.exec(status) ?? [];
    const [, uid] = /^Uid:\s+\d+\s+(\d+)/m.exec(status) ?? [];
    if ('ZX'.includes(state)) continue;
    const pid = Number(name);
    found.set(pid, { pid, parent: Number(parent), uid: Number(uid), args: args.replaceAll('\0', ' ') });
  }
  return found;
}

/** Those that descend from `roots`, without these, parents before their children and older ones before younger. */
export function descendantsOf(
  roots: readonly number[],
  among: ReadonlyMap<number, RunningProcess> = runningProcesses(),
): RunningProcess[] {
  const found: RunningProcess[] = [];
  const byAge = [...among.values()].sort((a, b) => a.pid - b.pid);
  for (let parents = roots; parents.length > 0;) {
    const children = byAge.filter(({ parent }) => parents.includes(parent));
    found.push(...children);
    parents = children.map(({ pid }) => pid);
  }
  return found;
}
