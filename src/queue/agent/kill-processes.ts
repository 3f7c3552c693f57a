/** `killProcesses`: whole process groups, so that no child of a process is left behind. */
import { pidsArg } from './arguments.js';
import type { CallContext } from './call-context.js';
import { endGroup } from '../../process/process-group.js';
import { processGroupOf } from '../../process/process-table.js';

export async function killProcesses(context: CallContext, list: unknown): Promise<{ pid: number; killed: boolean }[]> {
  const pids = pidsArg('killProcesses: list', list);
  const ownGroup = await processGroupOf(process.pid);
  const ends = new Map<number, Promise<boolean>>();
  return Promise.all(
    pids.map(async pid => {
      // The leader may be gone while its group is not; the group then still has the leader's number.
      const pgid = (pid > 1 ? await processGroupOf(pid) : undefined) ?? pid;
      if (pgid <= 1 || pgid === ownGroup) {
        context.warn(
          `killProcesses: process ${String(pid)} was not killed: it belongs to the system or is the agent's own`,
        );
        return { pid, killed: false };
      }
      let end = ends.get(pgid);
      if (end === undefined) {
        end = endOf(pgid, context);
        ends.set(pgid, end);
      }
      return { pid, killed: await end };
    }),
  );
}

async function endOf(pgid: number, context: CallContext): Promise<boolean> {
  const end = await endGroup(pgid, context.killGraceMs);
  if (end === 'gone') return true;
  const why = end === 'refused' ? 'the agent may not signal it' : 'it still exists after KILL';
  context.warn(`killProcesses: process group ${String(pgid)} was not killed: ${why}`);
  return false;
}
