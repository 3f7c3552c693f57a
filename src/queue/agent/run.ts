/** `run`: one shell command, its output captured up to a limit. */
import { KILL_WAIT_MS } from '../../process/process-group.js';
import { DRAIN_MS, runInGroup } from '../../process/run-in-group.js';
import type { RunResult } from '../wire/methods.js';
import { Cancelled, type CallContext } from './call-context.js';
import { KeptOutput } from './kept-output.js';
import { runArguments } from './run-arguments.js';

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

/** When the call is cancelled, ends the program with its process group and throws Cancelled. */
export async function runProgram(
  context: CallContext,
  program: string,
  args: readonly string[],
  { maxOutputBytes, ...options }: ProgramOptions,
): Promise<RunResult> {
  const { signal, killGraceMs, output } = context;
  const kept = new KeptOutput(maxOutputBytes, output !== undefined);
  const end = await runInGroup(program, args, {
    ...options,
    signal,
    killGraceMs,
    killWaitMs: KILL_WAIT_MS,
    drainMs: DRAIN_MS,
    // When link or consumer are behind, the command has to wait too, or its output would pile up here.
    output: (stream, chunk) => {
      kept.push(stream, chunk);
      return output === undefined || output.write(stream, chunk) ? undefined : output.drained();
    },
    warn: message => {
      context.warn(`run: ${message}`);
    },
  });
  const { exitCode, signal: endSignal, durationMs, fate } = end;
  if (fate !== undefined) throw new Cancelled(fate === 'gone', kept.texts());
  const { truncated } = kept;
  return { exitCode, signal: endSignal, durationMs, ...kept.texts(), truncated, totalBytes: kept.totalBytes() };
}
