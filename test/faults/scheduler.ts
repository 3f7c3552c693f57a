/** A scheduler in a process of its own, with two drones (web1 and localhost) and two others beside them. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { SshDroneOptions, ThreadedTaskQueueOptions } from 'drone-task-queue';

const PROGRAM = fileURLToPath(new URL('./programs/scheduler-program.js', import.meta.url));

/** What its one round is. */
export interface Orders {
  readonly drone: SshDroneOptions;
  readonly other: SshDroneOptions;
  /** Run by both drones, after an `echo first`; what they print is sent as it comes. */
  readonly commands: readonly { readonly command: string; readonly timeoutMs?: number }[];
  /** Started in front of the commands, to live on. */
  readonly detached?: { readonly command: readonly string[]; readonly folder: string };
  readonly queue?: ThreadedTaskQueueOptions;
}

/** How the round ended. */
export interface Ending {
  readonly code: string;
  /** Of web1 and localhost; `printed` by the calls that finished. */
  readonly drones: readonly {
    readonly kind?: string | undefined;
    readonly code?: string | undefined;
    readonly killed?: boolean | undefined;
    readonly printed: readonly (string | undefined)[];
  }[];
}

/** What it says. */
export type Line =
  | { readonly agentPid: number }
  | { readonly finished: string }
  | { readonly printed: string; readonly by: string }
  | { readonly stopping: string }
  | Ending
  | { readonly closed: true };

export class Scheduler implements AsyncDisposable {
  readonly lines: Line[] = [];
  readonly exited: Promise<{ readonly exitCode: number | null; readonly signal: string | null }>;
  readonly #child: ChildProcess;
  #look: () => void = () => undefined;

  constructor(orders: Orders, env: Readonly<Record<string, string>> = {}) {
    const child = spawn(process.execPath, [PROGRAM], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...env, ORDERS: JSON.stringify(orders) },
    });
    this.#child = child;
    this.exited = once(child, 'close').then(([exitCode, signal]) => ({
      exitCode: exitCode as number | null,
      signal: signal as string | null,
    }));
    createInterface({ input: child.stdout }).on('line', line => {
      this.lines.push(JSON.parse(line) as Line);
      this.#look();
    });
    void this.exited.then(() => {
      this.#look();
    });
  }

  get agentPids(): number[] {
    return this.lines.flatMap(line => ('agentPid' in line ? [line.agentPid] : []));
  }

  /** Resolves once it has said so many lines that have the key; rejects when it ends before. */
  async said<K extends string>(key: K, count = 1): Promise<Extract<Line, Readonly<Record<K, unknown>>>[]> {
    let isOver = false;
    void this.exited.then(() => (isOver = true));
    for (;;) {
      const found = this.lines.filter(line => key in line) as Extract<Line, Readonly<Record<K, unknown>>>[];
      if (found.length >= count) return found;
      assert(!isOver, `the scheduler ended without saying '${key}': ${JSON.stringify(this.lines)}`);
      await new Promise<void>(resolve => {
        this.#look = resolve;
      });
    }
  }

  kill(signal: NodeJS.Signals): void {
    assert(this.#child.kill(signal), 'the scheduler is gone');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }
}
