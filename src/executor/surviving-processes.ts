/**
 * Git that has outlived the process which started it, without time to end it: it would go on in a repository whose locks
 * are given to others, and is ended before that.
 *
 * It is known by the arguments of its group's leader: they name the repository, and the process that started it, which is
 * its parent as long as that lives. So nothing has to be written down, and no number that is used again is taken for it.
 *
 * In a container pids are others, and so may be what is behind a path: git that was started there, though it is seen from
 * here, is not ended. Where it seems to be in our folder that is refused, since nobody can tell from here that it is not.
 */
import { endGroup } from '../process/process-group.js';
import { readProcesses } from '../process/process-table.js';
import type { Log } from '../report/log.js';
import { ExecutorError } from './executor-error.js';
import { machine } from './machine.js';

/** A setting that git has no use for. */
const CONTROLLER = 'drone.controller';
const SETTING = / -c drone\.controller=(\d+)@(\w+) /;

/** To TERM. */
const GRACE_MS = 2000;

/** Arguments of git that tell who has started it. */
export function controllerArgs(): readonly string[] {
  return ['-c', `${CONTROLLER}=${String(process.pid)}@${machine()}`];
}

/**
 * Ends what works in repositories below the folder and has lost its parent. Rejects with ExecutorError (`ERR_CACHE_IN_USE`)
 * for what has not, for what cannot be ended, and for what was started on another machine or in another container.
 */
export async function endSurvivors(folder: string, log: Log): Promise<void> {
  await endThose(args => args.includes(`--git-dir=${folder}/`), `the cache in ${folder}`, log);
}

/** The same of what works in a workspace, or copies into it. */
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
    if (startedOn !== here) throw inUse(where, `git of another container works in it (process ${String(pid)})`);
    if (isWithParent) throw inUse(where, `process ${String(ppid)} works in it`);
    log.warn('git of a former process is ended', { pid, args });
    const end = await endGroup(pgid, GRACE_MS);
    if (end !== 'gone') throw inUse(where, `git of a former process does not end (process ${String(pid)})`);
  }
}

function inUse(where: string, why: string): ExecutorError {
  return new ExecutorError('ERR_CACHE_IN_USE', `${where} is not to be used: ${why}`);
}
