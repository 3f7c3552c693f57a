/**
 * A client that keeps its connections and does a round when told to: a driver program of this directory. It gets the path
 * of a task file, says `{}` in a line once all drones are connected, then answers each line
 * `{ "workload": …, "rounds": n }` with what these rounds took; at the end of its stdin it ends.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Spent } from './one-shot.js';
import { cpuMsOf, descendantsOf, memoryKbOf } from './process-tree.js';
import type { Workload } from './tools.js';

const LIMIT_MS = 300_000;

export class Resident {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;
  readonly #ended: Promise<unknown>;

  private constructor(words: readonly string[]) {
    const [program = '', ...args] = words;
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdin.on('error', () => undefined); // it has ended, which rejects the answer that is awaited
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#ended = once(this.#child, 'exit');
  }

  /** Resolves when all drones are connected. */
  static async start(words: readonly string[]): Promise<Resident> {
    const resident = new Resident(words);
    try {
      await resident.#answer();
      return resident;
    } catch (error) {
      await resident.end();
      throw error;
    }
  }

  /** The mean of so many rounds, one after another. CPU with that of its live helpers, such as Mitogen's `ssh`. */
  async spend(workload: Workload, rounds: number): Promise<Spent> {
    const pid = this.#child.pid ?? 0;
    const helpersBeforeMs = cpuMsOf(descendantsOf(pid));
    this.#child.stdin.write(`${JSON.stringify({ workload, rounds })}\n`);
    const { wallMs, cpuMs } = JSON.parse(await this.#answer()) as Spent;
    const helpersMs = cpuMsOf(descendantsOf(pid)) - helpersBeforeMs;
    return { wallMs: wallMs / rounds, cpuMs: (cpuMs + helpersMs) / rounds };
  }

  memoryKb(): number {
    const pid = this.#child.pid ?? 0;
    return memoryKbOf([pid, ...descendantsOf(pid)]);
  }

  async end(): Promise<void> {
    this.#child.stdin.end();
    const limit = setTimeout(() => this.#child.kill('SIGKILL'), LIMIT_MS);
    await this.#ended;
    clearTimeout(limit);
  }

  async #answer(): Promise<string> {
    const [line] = (await Promise.race([
      once(this.#lines, 'line', { signal: AbortSignal.timeout(LIMIT_MS) }),
      this.#ended.then(() => {
        throw new Error('the driver ended without an answer; what it said is above');
      }),
    ])) as [string];
    return line;
  }
}
