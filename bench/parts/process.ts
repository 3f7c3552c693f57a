/** Processes of the bench: what is measured, and what it is measured against. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { SshDroneOptions } from 'drone-task-queue';

/** Runs a measured program in a fresh process. Rejects when it ends without a report. */
export async function measure<Report>(program: string, task: object): Promise<Report> {
  const child = fork(new URL(program, import.meta.url), { execArgv: [] });
  const ended = once(child, 'exit');
  const report = once(child, 'message');
  child.send(task);
  const [given] = (await Promise.race([
    report,
    ended.then(([status, signal]) => {
      throw new Error(`${program} ended without a report: ${String(signal ?? status)}`);
    }),
  ])) as [Report];
  await ended;
  return given;
}

export interface MemoryServer extends AsyncDisposable {
  readonly options: SshDroneOptions;
}

export async function startMemoryServer(): Promise<MemoryServer> {
  const child = fork(new URL('../programs/memory-server.ts', import.meta.url));
  const ended = once(child, 'exit');
  const [options] = (await once(child, 'message')) as [SshDroneOptions];
  return {
    options,
    [Symbol.asyncDispose]: async () => {
      child.disconnect();
      await ended;
    },
  };
}
