/** Runs a program as leader of a process group until it has exited and its output has ended, or ends the group. */
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { onAbort } from '../wait/abort.js';
import { discardRest } from './discard.js';
import { endGroup, type GroupFate, isGroupGone, started, startGroup } from './process-group.js';

export interface GroupRun {
  readonly cwd?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly stdin?: string | Uint8Array | undefined;
  /** Open files that the program gets as its descriptors 3, 4, … */
  readonly inherited?: readonly number[] | undefined;
  readonly signal: AbortSignal;
  readonly killGraceMs: number;
  /** How long the group may take to vanish after KILL, ms. */
  readonly killWaitMs: number;
  /**
   * How long output is awaited after an exit, ms. Default: until no process holds the pipe. What still writes then lives
   * on, and its output is discarded.
   */
  readonly drainMs?: number;
  /** Gets the output. A promise that it returns pauses reading until it resolves, so that the program waits. */
  output(stream: 'stdout' | 'stderr', chunk: Uint8Array): Promise<void> | undefined;
  /** Gets errors of the program's stdin and output. */
  warn?(message: string): void;
}

export interface GroupEnd {
  readonly pid: number;
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly durationMs: number;
  /** Undefined when the program ended by itself. */
  readonly fate: GroupFate | undefined;
}

type Exit = Pick<GroupEnd, 'exitCode' | 'signal' | 'durationMs'>;

/** How long output is awaited after the exit while another process holds the pipe open, ms. */
export const DRAIN_MS = 200;
/** More than any pipe holds: what comes after that is from another process. */
const DRAIN_BYTES = 2 * 1024 * 1024;

/** Rejects when the program cannot be started, with the system's code. */
export async function runInGroup(program: string, args: readonly string[], run: GroupRun): Promise<GroupEnd> {
  const { cwd, env, stdin, inherited = [], signal } = run;
  const startMs = performance.now();
  const child = await started(program, cwd, () =>
    startGroup(program, args, {
      cwd,
      env,
      stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', ...inherited],
    }),
  );
  const pid = Number(child.pid);
  if (stdin !== undefined) feed(child, stdin, run);
  const output = new GroupOutput(child, run);
  const exited = new Promise<Exit>(resolve =>
    child.once('exit', (exitCode, signalName) =>
      resolve({ exitCode, signal: signalName, durationMs: Math.round(performance.now() - startMs) }),
    ),
  );
  const whole = exited.then(async exit => {
    await output.drained(run.drainMs);
    return exit;
  });
  const ended = fateOf(pid, child, run);
  try {
    const exit = await Promise.race([whole, ended.then(() => undefined)]);
    if (exit !== undefined && !signal.aborted) {
      output.handOver();
      return { pid, ...exit, fate: undefined };
    }
    const fate = await ended;
    await output.drained(DRAIN_MS);
    return { pid, exitCode: null, signal: null, durationMs: Math.round(performance.now() - startMs), fate };
  } finally {
    output.close();
    // A child that cannot be ended must not keep this process alive.
    child.unref();
  }
}

function feed(child: ChildProcess, stdin: string | Uint8Array, { warn }: GroupRun): void {
  child.stdin?.on('error', (error: NodeJS.ErrnoException) => {
    // A program need not read all its input.
    if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') warn?.(`stdin failed: ${error.message}`);
  });
  child.stdin?.end(stdin);
}

/**
 * Resolves once an aborted run's group has been ended, as far as possible. A group that was empty at the exit is not
 * signalled: by then its number may be another group's.
 */
function fateOf(pid: number, child: ChildProcess, { signal, killGraceMs, killWaitMs }: GroupRun): Promise<GroupFate> {
  let isGone = false;
  child.once('exit', () => {
    isGone = isGroupGone(pid);
  });
  return new Promise((resolve, reject) =>
    onAbort(signal, () => {
      if (isGone) resolve('gone');
      else endGroup(pid, killGraceMs, killWaitMs).then(resolve, reject);
    }),
  );
}

class GroupOutput {
  readonly #streams: Readable[];
  readonly #closed: Promise<void>;
  #paused: Promise<void> | undefined;
  #pauses = 0;
  #bytes = 0;
  #onBytes: () => void = () => undefined;

  constructor(child: ChildProcess, run: GroupRun) {
    const { stdout, stderr } = child;
    if (stdout === null || stderr === null) throw new Error('the program was started without pipes');
    this.#streams = [stdout, stderr];
    this.#closed = new Promise(resolve => child.once('close', () => resolve()));
    this.#read('stdout', stdout, run);
    this.#read('stderr', stderr, run);
  }

  #read(name: 'stdout' | 'stderr', stream: Readable, run: GroupRun): void {
    stream.on('data', (chunk: Uint8Array) => {
      if (this.#paused !== undefined) {
        // At a child's exit Node resumes paused streams, too.
        stream.pause();
        stream.unshift(chunk);
        return;
      }
      const ready = run.output(name, chunk);
      if (ready !== undefined) this.#pauseUntil(ready);
      this.#bytes += chunk.byteLength;
      this.#onBytes();
    });
    stream.on('error', error => run.warn?.(`reading ${name} failed: ${error.message}`));
  }

  /** Resolves at the end of the output, after `withinMs` in which it could be read, or after DRAIN_BYTES. */
  async drained(withinMs = Infinity): Promise<void> {
    if (withinMs === Infinity) return this.#closed;
    const stop = new AbortController();
    const mostBytes = this.#bytes + DRAIN_BYTES;
    this.#onBytes = () => {
      if (this.#bytes > mostBytes) stop.abort();
    };
    try {
      await Promise.race([this.#closed, this.#readableFor(withinMs, stop.signal)]);
    } finally {
      stop.abort();
    }
  }

  /** Processes that still write would die of SIGPIPE once this closes, so they get other readers. */
  handOver(): void {
    for (const stream of this.#streams) if (!stream.readableEnded && !stream.destroyed) discardRest(stream);
  }

  close(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  #pauseUntil(ready: Promise<void>): void {
    for (const each of this.#streams) each.pause();
    this.#pauses++;
    this.#paused = ready.then(() => {
      this.#paused = undefined;
      for (const each of this.#streams) each.resume();
    });
  }

  /**
   * Resolves once the output was readable for this long without a pause: reading what lies in the pipe may take several
   * turns.
   */
  async #readableFor(timeMs: number, signal: AbortSignal): Promise<void> {
    for (let pauses = -1; pauses !== this.#pauses && !signal.aborted;) {
      await this.#paused;
      pauses = this.#pauses;
      await delay(timeMs, undefined, { signal }).catch(() => undefined); // aborted: no longer needed
      // Timers come before reads: after a long stop of this process what lies in the pipe is still unread.
      await nextTurn();
    }
  }
}
