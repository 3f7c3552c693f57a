/** `run`: one shell command, its output captured up to a limit. */
import { KILL_WAIT_MS } from '../../process/process-group.js';
import { DRAIN_MS, type GroupRun, runInGroup } from '../../process/run-in-group.js';
import type { RunResult } from '../wire/methods.js';
import { Cancelled, type CallContext } from './call-context.js';
import { checkExit } from './exit-error.js';
import { KeptOutput } from './kept-output.js';
import { shellArguments } from './open-files-limit.js';
import { runArguments } from './run-arguments.js';

export async function run(context: CallContext, command: unknown, options?: unknown): Promise<RunResult> {
  const { script, env, check, ...rest } = runArguments(command, options);
  const result = await runProgram(context, '/bin/sh', shellArguments(script), {
    ...rest,
    env: { ...process.env, ...env },
  });
  return checkExit(script, result, check);
}

/** When the call is cancelled, ends the program with its process group and throws Cancelled. */
export async function runProgram(
  context: Omit<CallContext, 'openTransfer'>,
  program: string,
  args: readonly string[],
  {
    maxOutputBytes,
    ...options
  }: Pick<GroupRun, 'cwd' | 'env' | 'stdin'> & { readonly maxOutputBytes?: number | undefined },
): Promise<RunResult> {
  const { signal, killGraceMs } = context;
  const kept = new KeptOutput(maxOutputBytes, context.output);
  context.prints(() => kept.texts());
  const end = await runInGroup(program, args, {
    ...options,
    signal,
    killGraceMs,
    killWaitMs: KILL_WAIT_MS,
    drainMs: DRAIN_MS,
    output: kept.take,
    warn: message => context.warn(`run: ${message}`),
  });
  const { exitCode, signal: endSignal, durationMs, fate } = end;
  if (fate !== undefined) throw new Cancelled(fate === 'gone');
  return { exitCode, signal: endSignal, durationMs, ...kept.result() };
}
