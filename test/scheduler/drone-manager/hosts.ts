/** Drones whose pidfiles and processes are what the test says, and a manager over them. */
import { type AnyDrone, type ProcessInfo, ThreadedTaskQueue, type UtilityMethods } from 'drone-task-queue';
import { DroneManager, type DroneManagerOptions } from 'drone-task-queue/scheduler';
import { FakeClock, FakeDrone, type FakeDroneOptions, type Gate } from 'drone-task-queue/testing';

type Methods = Pick<
  UtilityMethods,
  | 'initialize'
  | 'refresh'
  | 'executeCommand'
  | 'appendToFile'
  | 'copyFileOrDirectory'
  | 'getFile'
  | 'getDirectory'
  | 'putFile'
  | 'putDirectory'
>;

/** A host that is played. */
export class Host {
  /** Contents by path; those of the second read are the same unless they are here. */
  readonly pidfiles = new Map<string, string>();
  readonly secondRead = new Map<string, string>();
  processes: ProcessInfo[] = [];
  /** What `refresh` was asked for, call by call. */
  readonly asked: (readonly string[])[] = [];
  /** Commands that were started, as they arrived. */
  readonly started: { readonly command: readonly string[]; readonly pidfile: string }[] = [];
  readonly files = new Map<string, string>();
  /** Thrown by the method of this name. */
  readonly broken = new Map<keyof Methods, Error>();
  refreshGate: Gate | undefined;
  /** Before a command starts. */
  startGate: Gate | undefined;
  /** What copies return. */
  transfer: object = { bytes: 0, files: 1, directories: 0, links: 0, leftOut: [] };
  transferGate: Gate | undefined;
  /** Why pidfiles cannot be read, by path. */
  readonly unreadable = new Map<string, string>();
  /** Returned in place of what `refresh` found. */
  refreshValue: unknown;
  readonly drone: FakeDrone<Methods>;
  #lastPid = 1000;

  constructor(hostname: string, maxProcesses = 10, options: FakeDroneOptions = {}) {
    this.drone = new FakeDrone<Methods>(hostname, this.#methods(), options);
    this.drone.maxProcesses = maxProcesses;
  }

  /** A command of ours that runs: its pidfile and its leader. */
  run(pidfile: string, pid = ++this.#lastPid): number {
    this.pidfiles.set(pidfile, `${String(pid)}\n`);
    this.processes.push(leader(pid, pidfile));
    return pid;
  }

  /** Its end, with its status. */
  finish(pidfile: string, exitStatus: number): void {
    const pid = parseInt(this.pidfiles.get(pidfile) ?? '', 10);
    this.pidfiles.set(pidfile, `${String(pid)}\n${String(exitStatus)}\n`);
    this.vanish(pid);
  }

  /** Its process is gone, and nothing else has changed. */
  vanish(pid: number): void {
    this.processes = this.processes.filter(process => process.pid !== pid);
  }

  #methods(): Methods {
    const check = (method: keyof Methods): void => {
      const error = this.broken.get(method);
      if (error) throw error;
    };
    const transfer = async (method: keyof Methods): Promise<unknown> => {
      await this.transferGate?.wait();
      check(method);
      return this.transfer;
    };
    const refresh = async (paths: readonly string[]): Promise<unknown> => {
      this.asked.push(paths);
      await this.refreshGate?.wait();
      check('refresh');
      const of = (contents: ReadonlyMap<string, string>): [string, string][] =>
        paths.flatMap(path => {
          const text = contents.get(path);
          return text === undefined ? [] : [[path, text]];
        });
      const second = new Map([...this.pidfiles, ...this.secondRead]);
      return (
        this.refreshValue ?? {
          pidfiles: Object.fromEntries(of(this.pidfiles)),
          processes: this.processes,
          pidfilesSecondRead: Object.fromEntries(of(second)),
          unreadable: Object.fromEntries(of(this.unreadable)),
        }
      );
    };
    const executeCommand = async (
      command: readonly string[],
      { workingDirectory, pidfileName }: { workingDirectory: string; pidfileName: string },
    ): Promise<unknown> => {
      await this.startGate?.wait();
      check('executeCommand');
      const pidfile = `${workingDirectory}/${pidfileName}`;
      this.started.push({ command, pidfile });
      return { pid: this.run(pidfile) };
    };
    return {
      initialize: () => {
        check('initialize');
      },
      refresh: refresh as unknown as Methods['refresh'],
      executeCommand: executeCommand as unknown as Methods['executeCommand'],
      appendToFile: (path, contents) => {
        check('appendToFile');
        this.files.set(path, (this.files.get(path) ?? '') + String(contents));
      },
      copyFileOrDirectory: (source, destination) => {
        check('copyFileOrDirectory');
        this.files.set(destination, `copy of ${source}`);
      },
      getFile: (() => transfer('getFile')) as unknown as Methods['getFile'],
      getDirectory: (() => transfer('getDirectory')) as unknown as Methods['getDirectory'],
      putFile: (() => transfer('putFile')) as unknown as Methods['putFile'],
      putDirectory: (() => transfer('putDirectory')) as unknown as Methods['putDirectory'],
    };
  }
}

/** The shell that leads a command, as a process table shows it. */
export function leader(pid: number, pidfile: string): ProcessInfo {
  const args = `/bin/sh -c : drone-lives-on\necho "$status" >>"$pidfile" sh ${pidfile} /usr/bin/job one`;
  return { pid, ppid: 1, pgid: pid, comm: 'sh', args };
}

/** Ends with its block. */
export interface Farm extends AsyncDisposable {
  readonly queue: ThreadedTaskQueue;
  readonly manager: DroneManager;
  readonly clock: FakeClock;
}

/** A manager over these hosts, initialized and refreshed. */
export async function farmOf(
  hosts: readonly Host[],
  options: DroneManagerOptions = {},
  refreshed = true,
): Promise<Farm> {
  const queue = new ThreadedTaskQueue({ name: 'farm', threads: 1 });
  const clock = new FakeClock();
  // A results drone that is played: the controller itself is a real one, and starts an agent.
  const manager = new DroneManager(queue, { clock, resultsDrone: new Host('results').drone, ...options });
  await manager.initialize(
    '/results',
    hosts.map(({ drone }) => drone),
  );
  if (refreshed) await manager.refresh();
  return {
    queue,
    manager,
    clock,
    async [Symbol.asyncDispose]() {
      await manager.close();
      await queue.close();
    },
  };
}

export const names = (drones: Iterable<AnyDrone>): string[] => [...drones].map(({ hostname }) => hostname);

export const codeOf = (code: string) => (error: unknown) => (error as { code?: unknown }).code === code;

/** A working directory, with the other options that each command needs. */
export const inFolder = (workingDirectory: string): { workingDirectory: string; pidfileName: string } => ({
  workingDirectory,
  pidfileName: 'pid',
});
