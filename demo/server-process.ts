/** The scheduler's hold on the process that runs the SSH servers. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { SshDroneOptions } from 'drone-task-queue';

/** To the server process. `open` is the first and comes once. */
export type ServerOrder =
  { readonly open: readonly string[] } | { readonly kill: string } | { readonly revive: string };

/** From the server process: its servers are open, or one is back. */
export type ServerReport =
  | { readonly opened: Readonly<Record<string, SshDroneOptions>> }
  | { readonly revived: string }
  | { readonly failed: string };

export interface ServerProcess {
  readonly pid: number;
  optionsOf(name: string): SshDroneOptions;
  /** Refuses connections from now on, and cuts those that are open. */
  kill(name: string): void;
  /** Resolves when it takes connections again. */
  revive(name: string): Promise<void>;
  close(): Promise<void>;
}

export async function forkServers(names: readonly string[]): Promise<ServerProcess> {
  // Detached: a Ctrl-C in the terminal is for the scheduler, whose drones are not to die of it.
  const child = fork(new URL('./servers.ts', import.meta.url), { detached: true });
  const exited = once(child, 'exit');
  const order = (what: ServerOrder): void => {
    child.send(what);
  };
  const report = async (): Promise<ServerReport> => {
    const next = once(child, 'message').then(([message]) => message as ServerReport);
    const gone = exited.then(([status]) => {
      throw new Error(`the server process ended with status ${String(status)}`);
    });
    const given = await Promise.race([next, gone]);
    if ('failed' in given) throw new Error(`the server process: ${given.failed}`);
    return given;
  };

  order({ open: names });
  const opened = await report();
  const options = 'opened' in opened ? opened.opened : {};
  return {
    pid: child.pid ?? 0,
    optionsOf: name => options[name] ?? {},
    kill: name => {
      order({ kill: name });
    },
    revive: async name => {
      order({ revive: name });
      await report();
    },
    close: async () => {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}
