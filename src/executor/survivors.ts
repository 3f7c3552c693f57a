/**
 * Git that has outlived the process which started it, without time to end it: it would go on in a repository whose locks
 * are given to others, and is ended before that.
 *
 * It is known by the arguments of its group's leader: they name the repository, and the process that started it, which is
 * its parent as long as that lives. So nothing has to be written down, and no number that is used again is taken for it.
 */
import { endGroup } from '../agent/process-group.js';
import { readProcesses } from '../agent/processes.js';
import type { Log } from '../log.js';
import { ExecutorError } from './executor-error.js';

/** A setting that git has no use for. */
const CONTROLLER = 'drone.controller';

/** To TERM. */
const GRACE_MS = 2000;

/** Arguments of git that tell who has started it. */
export const controllerArgs: readonly string[] = ['-c', `${CONTROLLER}=${String(process.pid)}`];

/**
 * Ends what works in repositories below the folder and has lost its parent. Rejects with ExecutorError (`ERR_CACHE_IN_USE`)
 * for what has not, and for what cannot be ended.
 */
export async function endSurvivors(folder: string, log: Log): Promise<void> {
  await endThose(args => args.includes(`--git-dir=${folder}/`), `the cache in ${folder}`, log);
}

/** The same of what works in a workspace, or copies into it. */
export async function endSurvivorsIn(workspace: string, log: Log): Promise<void> {
  await endThose(args => args.includes(` ${workspace}/`), `the workspace ${workspace}`, log);
}

async function endThose(isThere: (args: string) => boolean, where: string, log: Log): Promise<void> {
  for (const { pid, ppid, pgid, args } of await readProcesses()) {
    const [, controller] = args.split(`-c ${CONTROLLER}=`);
    if (pid !== pgid || controller === undefined || !isThere(args)) continue;
    if (ppid === Number.parseInt(controller)) {
      if (ppid === process.pid) continue;
      throw inUse(where, `process ${String(ppid)} works in it`);
    }
    log.warn('git of a former process is ended', { pid, args });
    const end = await endGroup(pgid, GRACE_MS);
    if (end !== 'gone') throw inUse(where, `git of a former process does not end (process ${String(pid)})`);
  }
}

function inUse(where: string, why: string): ExecutorError {
  return new ExecutorError('ERR_CACHE_IN_USE', `${where} is not to be used: ${why}`);
}
