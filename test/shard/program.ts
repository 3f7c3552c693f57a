/** `drone-shard` as its users run it: the built program, in a process of its own. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export const PROGRAM = fileURLToPath(new URL('../../dist/shard/cli.js', import.meta.url));

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Program {
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;
  #stdout = '';
  #stderr = '';

  /** Of the environment it gets nothing but `env`. */
  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#process = spawn(process.execPath, ['--no-warnings', PROGRAM, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.#ended = once(this.#process, 'close');
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Resolves with the first match in what it writes; rejects when it ends without. */
  async says(stream: 'stdout' | 'stderr', text: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = text.exec(this[stream]);
      if (found !== null) return found;
      const source = this.#process[stream];
      if (source === null || source.readableEnded)
        throw new Error(`it has not said ${String(text)}, but: ${this.stderr}`);
      await Promise.race([once(source, 'data'), this.#ended]);
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  async ended(): Promise<Ended> {
    await this.#ended;
    return { status: this.#process.exitCode, stdout: this.#stdout, stderr: this.#stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#ended;
  }
}

/** Runs it to its end. */
export async function runProgram(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  await using program = new Program(args, env);
  return await program.ended();
}

/** Resolves with its stdout, when it succeeds. */
export async function done(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { status, stdout, stderr } = await runProgram(args, env);
  assert.equal(status, 0, stderr);
  return stdout;
}
