/** `killProcesses` without an agent. See queue/agent/kill-processes.ts. */
import { pidsArg } from '../../../../agent/arguments.js';
import type { MethodCall } from './script.js';

const LARGEST_PID = 2 ** 31 - 1;

export function killProcesses(
  { drone, context }: MethodCall,
  list: unknown,
): Promise<{ pid: number; killed: boolean }[]> {
  drone.onRequest();
  return Promise.all(
    pidsArg('killProcesses: list', list).map(async pid => {
      if (pid > LARGEST_PID) return { pid, killed: true };
      const word = pid > 1 ? await drone.ender.end({ kind: 'any', pid }) : 'system';
      if (word === 'system') {
        context.warn(`killProcesses: process ${String(pid)} was not killed: it belongs to the system`);
      } else if (word !== 'gone') {
        const why = word === 'refused' ? 'the drone may not signal it' : 'it still exists after KILL';
        context.warn(`killProcesses: process ${String(pid)} was not killed: ${why}`);
      }
      return { pid, killed: word === 'gone' };
    }),
  );
}
