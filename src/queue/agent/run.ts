/** `run`: one shell command, its output captured up to a limit. */
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { onAbort } from '../../wait/abort.js';
import type { RunResult } from '../wire/methods.js';
import { Cancelled, type CallContext } from './call-context.js';
import { endGroup, isGroupGone, startGroup } from '../../process/process-group.js';
import { KeptOutput } from './kept-output.js';
import { runArguments } from './run-arguments.js';

/** After the exit, how long output may still come while somebody else holds the pipe open. */
const DRAIN_MS = 200;
/** After the exit, more than lies in any pipe: what comes then is somebody else's. */
const DRAIN_BYTES = 2 * 1024 * 1024;

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
  const { cwd, env, stdin, maxOutputBytes } = options;
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
  const ended = endedBySignal(context, child);
  try {
    const exit = await Promise.race([exited, ended.then(() => undefined)]);
    await output.finish();
    if (context.signal.aborted || exit === undefined)
      throw new Cancelled((await ended) === 'gone', output.kept.texts());
    return { ...exit, ...output.kept.texts(), truncated: output.kept.truncated, totalBytes: output.kept.totalBytes() };
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

/**
 * Resolves once the call is cancelled and its group has been ended, as far as that goes. A group that was empty at the exit
 * is signalled no more: its output may be waited for much longer, and who has its number then is somebody else.
 */
function endedBySignal(context: CallContext, child: ChildProcess): Promise<'gone' | 'alive' | 'refused'> {
  const { pid } = child;
  let isGone = false;
  child.once('exit', () => {
    isGone = pid !== undefined && isGroupGone(pid);
  });
  return new Promise((resolve, reject) => {
    onAbort(context.signal, () => {
      if (pid === undefined || isGone) resolve('gone');
      else endGroup(pid, context.killGraceMs).then(resolve, reject);
    });
  });
}

class ProgramOutput {
  readonly kept: KeptOutput;
  readonly #streams: Readable[];
  readonly #closed: Promise<void>;
  #paused: Promise<void> | undefined;
  #pauses = 0;
  readonly #drained = new AbortController();
  #drainBytes = Infinity;

  constructor(child: ChildProcess, maxOutputBytes: number | undefined, context: CallContext) {
    const { stdout, stderr } = child;
    if (stdout === null || stderr === null) throw new Error('the command was started without pipes');
    this.#streams = [stdout, stderr];
    this.kept = new KeptOutput(maxOutputBytes, context.output !== undefined);
    this.#closed = new Promise(resolve =>
      child.once('close', () => {
        resolve();
      }),
    );
    this.#read('stdout', stdout, context);
    this.#read('stderr', stderr, context);
  }

  #read(name: 'stdout' | 'stderr', stream: Readable, context: CallContext): void {
    stream.on('data', (chunk: Uint8Array) => {
      if (this.#paused !== undefined) {
        // At a child's exit Node resumes its streams, whoever has paused them.
        stream.pause();
        stream.unshift(chunk);
        return;
      }
      this.kept.push(name, chunk);
      this.#pass(name, chunk, context);
      this.#drainBytes -= chunk.byteLength;
      if (this.#drainBytes < 0) this.#drained.abort();
    });
    stream.on('error', error => {
      context.warn(`run: reading ${name} failed: ${error.message}`);
    });
  }

  /** The end of the output, or DRAIN_MS in which it could be read, or DRAIN_BYTES. */
  async finish(): Promise<void> {
    this.#drainBytes = DRAIN_BYTES;
    try {
      await Promise.race([this.#closed, this.#readableFor(DRAIN_MS, this.#drained.signal)]);
    } finally {
      this.#drained.abort();
    }
  }

  close(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  /** When link or consumer are behind, the command has to wait too, or its output would pile up here. */
  #pass(stream: 'stdout' | 'stderr', chunk: Uint8Array, { output }: CallContext): void {
    if (output === undefined || output.write(stream, chunk)) return;
    for (const each of this.#streams) each.pause();
    this.#pauses++;
    this.#paused = output.drained().then(() => {
      this.#paused = undefined;
      for (const each of this.#streams) each.resume();
    });
  }

  /** So long in one go: what lies in the pipe at the exit may take several. */
  async #readableFor(timeMs: number, signal: AbortSignal): Promise<void> {
    for (let pauses = -1; pauses !== this.#pauses && !signal.aborted;) {
      await this.#paused;
      pauses = this.#pauses;
      await delay(timeMs, undefined, { signal }).catch(() => undefined); // aborted: no longer needed
    }
  }
}
