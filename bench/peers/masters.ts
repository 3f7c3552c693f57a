/** A ControlMaster per drone: what keeps connections warm for tools that start `ssh` anew in each round. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Place } from './place.js';
import { cpuMsOf, memoryKbOf } from './process-tree.js';

const AT_ONCE = 16;
const LIMIT_MS = 60_000;
const POLL_MS = 20;

export class Masters implements AsyncDisposable {
  readonly #children: ChildProcess[] = [];

  /** Resolves when all of them take sessions. */
  static async start(place: Place): Promise<Masters> {
    const masters = new Masters();
    const left = [...place.hosts];
    const opener = async (): Promise<void> => {
      for (let host = left.shift(); host !== undefined; host = left.shift()) await masters.#open(place, host);
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, opener));
      return masters;
    } catch (error) {
      await masters[Symbol.asyncDispose]();
      throw error;
    }
  }

  cpuMs(): number {
    return cpuMsOf(this.#pids);
  }

  memoryKb(): number {
    return memoryKbOf(this.#pids);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const children = this.#children.splice(0).filter(child => child.exitCode === null && child.signalCode === null);
    await Promise.all(
      children.map(async child => {
        const exited = once(child, 'exit');
        child.kill();
        await exited;
      }),
    );
  }

  get #pids(): number[] {
    return this.#children.map(({ pid }) => pid ?? 0);
  }

  async #open(place: Place, host: string): Promise<void> {
    const args = ['-F', place.warmConfig, '-o', 'ControlMaster=yes', '-N', host];
    const child = spawn('ssh', args, { stdio: ['ignore', 'ignore', 'inherit'] });
    this.#children.push(child);
    const socket = place.controlPath(host);
    const deadline = performance.now() + LIMIT_MS;
    // ssh makes the socket once it has logged in, and reports nothing.
    while (!existsSync(socket)) {
      if (child.exitCode !== null || performance.now() > deadline) throw new Error(`no ControlMaster for ${host}`);
      await delay(POLL_MS);
    }
  }
}
