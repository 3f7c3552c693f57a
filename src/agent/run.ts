/** `run`: one shell command, its output captured up to a limit. */
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunResult } from '../utility.js';
import { Cancelled, type CallContext } from './call-context.js';
import { Capture } from './capture.js';
import { endGroup, startGroup } from './process-group.js';
import { DEFAULT_OUTPUT_BYTES, runArguments } from './run-arguments.js';

/** After the exit, how long output may still come while somebody else holds the pipe open. */
const DRAIN_MS = 200;

export interface ProgramOptions {
  readonly cwd?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly stdin?: string | Uint8Array | undefined;
  readonly maxOutputBytes?: number | undefined;
}

export function run(context: CallContext, command: unknown, options?: unknown): Promise<RunResult> {
  const { script, env, ...rest } = runArguments(command, options);
  return runProgram(context, '/bin/sh', ['-c', script], { ...rest, env: { ...process.env, ...env } });
}

/**
 * Runs a program in a process group of its own, to its exit and the end of its output or DRAIN_MS more. When the call is
 * cancelled, ends the group and throws Cancelled.
 */
export async function runProgram(
  context: CallContext,
  program: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<RunResult> {
  const { cwd, env, stdin, maxOutputBytes = DEFAULT_OUTPUT_BYTES } = options;
  const startedMs = performance.now();
  const child = await started(program, cwd, () =>
    startGroup(program, args, { cwd, env, stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] }),
  );
  if (stdin !== undefined) feed(child, stdin, context);
  const output = new ProgramOutput(child, maxOutputBytes, context);
  const exited = new Promise<{ exitCode: number | null; signal: string | null; durationMs: number }>(resolve => {
    child.once('exit', (exitCode, signal) => {
      resolve({ exitCode, signal, durationMs: Math.round(performance.now() - startedMs) });
    });
  });
  const ended = endedBySignal(context, child.pid);
  try {
    const exit = await Promise.race([exited, ended.then(() => undefined)]);
    await output.finish();
    if (context.signal.aborted || exit === undefined) throw new Cancelled((await ended) === 'gone', output.texts());
    return { ...exit, ...output.texts(), truncated: output.truncated, totalBytes: output.totalBytes() };
  } finally {
    output.close();
  }
}

/** The child once it runs; throws what kept it from starting, with the system's code. */
export async function started(
  program: string,
  cwd: string | undefined,
  start: () => ChildProcess,
): Promise<ChildProcess> {
  try {
    const child = start();
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    return child;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // The system blames the program also when it is the folder that is missing.
    const where = cwd === undefined ? '' : ` in working directory ${cwd}`;
    throw Object.assign(new Error(`cannot start ${program}${where}: ${message}`, { cause: error }), { code });
  }
}

function feed(child: ChildProcess, stdin: string | Uint8Array, context: CallContext): void {
  child.stdin?.on('error', (error: NodeJS.ErrnoException) => {
    // A command is free not to read its input, or not all of it.
    if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') context.warn(`run: stdin failed: ${error.message}`);
  });
  child.stdin?.end(stdin);
}

/** Resolves once the call is cancelled and its group has been ended, as far as that goes. */
function endedBySignal(context: CallContext, pid: number | undefined): Promise<'gone' | 'alive' | 'refused'> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      if (pid !== undefined) endGroup(pid, context.killGraceMs).then(resolve, reject);
    };
    if (context.signal.aborted) end();
    else context.signal.addEventListener('abort', end, { once: true });
  });
}

class ProgramOutput {
  readonly #stdout: Capture;
  readonly #stderr: Capture;
  readonly #streams: Readable[];
  readonly #closed: Promise<void>;
  #paused: Promise<void> | undefined;

  constructor(child: ChildProcess, maxBytes: number, context: CallContext) {
    const { stdout, stderr } = child;
    if (stdout === null || stderr === null) throw new Error('the command was started without pipes');
    this.#streams = [stdout, stderr];
    this.#stdout = new Capture(maxBytes);
    this.#stderr = new Capture(maxBytes);
    this.#closed = new Promise(resolve =>
      child.once('close', () => {
        resolve();
      }),
    );
    this.#read('stdout', stdout, this.#stdout, context);
    this.#read('stderr', stderr, this.#stderr, context);
  }

  #read(name: 'stdout' | 'stderr', stream: Readable, capture: Capture, context: CallContext): void {
    stream.on('data', (chunk: Uint8Array) => {
      capture.push(chunk);
      this.#pass(name, chunk, context);
    });
    stream.on('error', error => {
      context.warn(`run: reading ${name} failed: ${error.message}`);
    });
  }

  /** The end of the output, or DRAIN_MS in which it could be read. */
  async finish(): Promise<void> {
    const stop = new AbortController();
    try {
      await Promise.race([this.#closed, this.#readableFor(DRAIN_MS, stop.signal)]);
    } finally {
      stop.abort();
    }
  }

  close(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  texts(): { stdout: string; stderr: string } {
    return { stdout: this.#stdout.toString(), stderr: this.#stderr.toString() };
  }

  totalBytes(): { stdout: number; stderr: number } {
    return { stdout: this.#stdout.totalBytes, stderr: this.#stderr.totalBytes };
  }

  get truncated(): boolean {
    return this.#stdout.truncated || this.#stderr.truncated;
  }

  /** When the link is behind, the command has to wait too, or its output would pile up here. */
  #pass(stream: 'stdout' | 'stderr', chunk: Uint8Array, { output }: CallContext): void {
    if (output === undefined || output.write(stream, chunk) || this.#paused !== undefined) return;
    for (const each of this.#streams) each.pause();
    this.#paused = output.drained().then(() => {
      this.#paused = undefined;
      for (const each of this.#streams) each.resume();
    });
  }

  /** What lies in the pipe at the exit is less than one go between two pauses, so one wait for the link is enough. */
  async #readableFor(timeMs: number, signal: AbortSignal): Promise<void> {
    const time = async (): Promise<void> => {
      await delay(timeMs, undefined, { signal }).catch(() => undefined); // aborted: no longer needed
    };
    await time();
    if (this.#paused === undefined || signal.aborted) return;
    await this.#paused;
    await time();
  }
}
