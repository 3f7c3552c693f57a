/** `run` without an agent. See queue/agent/run.ts. */
import { checkExit } from '../../../../agent/exit-error.js';
import { KeptOutput } from '../../../../agent/kept-output.js';
import { runArguments } from '../../../../agent/run-arguments.js';
import type { RunResult } from '../../../../wire/methods.js';
import { runOnChannel } from '../channel-run.js';
import { execText } from '../shell-text.js';
import type { MethodCall } from './script.js';

export async function run({ drone, context }: MethodCall, command: unknown, options?: unknown): Promise<RunResult> {
  const { script, cwd, env, stdin, maxOutputBytes, check } = runArguments(command, options);
  const output = new KeptOutput(maxOutputBytes, context.output);
  const exit = await runOnChannel(drone, context, {
    name: 'run',
    text: execText({ script, cwd, env: { ...drone.env, ...env }, hasStdin: stdin !== undefined }),
    cwd,
    output: output.take,
    feed: running => running.endInput(stdin),
    printed: () => output.texts(),
  });
  return checkExit(script, { ...exit, ...output.result() }, check);
}
