/**
 * Ends git that has outlived its executor before the locks of its repository are given to others.
 *
 * The arguments of its group's leader name the repository and the executor's pid, which is its parent while that lives. So
 * nothing has to be stored, and a reused pid is not mistaken for it.
 *
 * Pids and paths mean other things in a container: git that was started in one is not ended. The directory is refused if such
 * a git seems to work in it.
 */
import { endGroup } from '../process/process-group.js';
import { readProcesses } from '../process/process-table.js';
import type { Log } from '../report/log.js';
import { ExecutorError } from './executor-error.js';
import { machine } from './machine.js';

/** A setting that git ignores. */
const CONTROLLER = 'drone.controller';
const SETTING = / -c drone\.controller=(\d+)@(\w+) /;

/** Time for git to end after TERM. */
const GRACE_MS = 2000;

/** Arguments of git that name the process that starts it. */
export function controllerArgs(): readonly string[] {
  return ['-c', `${CONTROLLER}=${String(process.pid)}@${machine()}`];
}

/**
 * Ends orphaned git in repositories below the directory. Rejects with an ExecutorError (`ERR_CACHE_IN_USE`) for git that
 * has its parent, cannot be ended, or was started on another machine or in another container.
 */
export async function endSurvivors(folder: string, log: Log): Promise<void> {
  await endThose(args => args.includes(`--git-dir=${folder}/`), `the cache in ${folder}`, log);
}

/** The same for git that works in a workspace, or copies into it. */
export async function endSurvivorsIn(workspace: string, log: Log): Promise<void> {
  await endThose(args => args.includes(` ${workspace}/`), `the workspace ${workspace}`, log);
}

async function endThose(isThere: (args: string) => boolean, where: string, log: Log): Promise<void> {
  const here = machine();
  for (const { pid, ppid, pgid, args } of await readProcesses()) {
    const [, controller, startedOn] = SETTING.exec(args) ?? [];
    if (pid !== pgid || controller === undefined || !isThere(args)) continue;
    const isWithParent = ppid === Number(controller);
    if (isWithParent && ppid === process.pid) continue;
    if (startedOn !== here) throw inUse(where, `git of another container uses it (process ${String(pid)})`);
    if (isWithParent) throw inUse(where, `process ${String(ppid)} uses it`);
    log.warn('killing git of a former process', { pid, args });
    const end = await endGroup(pgid, GRACE_MS);
    if (end !== 'gone') throw inUse(where, `git of a former process cannot be killed (process ${String(pid)})`);
  }
}

export function inUse(where: string, why: string): ExecutorError {
  return new ExecutorError('ERR_CACHE_IN_USE', `${where} cannot be used: ${why}`);
}
