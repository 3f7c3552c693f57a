/** `run` without an agent: the same command, captured here. See queue/agent/run.ts. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Cancelled, type CallContext } from '../../../agent/call-context.js';
import { KeptOutput } from '../../../agent/kept-output.js';
import { messageOf } from '../../../agent/outcome.js';
import { runArguments } from '../../../agent/run-arguments.js';
import type { RunResult } from '../../../wire/methods.js';
import { Command, type CommandOutput, type Exit } from './command.js';
import type { Ender } from './ender.js';
import type { ExecSlots } from './exec-slots.js';
import type { Server } from './server.js';
import { execText } from './shell-text.js';

export interface PlainDrone {
  readonly server: Server;
  readonly slots: ExecSlots;
  readonly ender: Ender;
  /** Of all its commands. */
  readonly env: Readonly<Record<string, string>>;
}

/** The server ended a command's channel and did not say how the command ended. */
export class CommandLost extends Error {}

const NOISE_CHARS = 300;
const LATE = Symbol('late');

export async function run(
  drone: PlainDrone,
  context: CallContext,
  command: unknown,
  options?: unknown,
): Promise<RunResult> {
  const { script, cwd, env, stdin, maxOutputBytes } = runArguments(command, options);
  const text = execText({ script, cwd, env: { ...drone.env, ...env }, hasStdin: stdin !== undefined });
  const output = new CapturedOutput(maxOutputBytes, context);
  const running = await drone.slots.start(
    text,
    channel => output.of(new Command(drone.server, channel, text, output)),
    context.signal,
  );
  if (running === undefined) throw new Cancelled(true);
  running.endInput(stdin);
  const killed = endedBySignal(drone, context, running);
  try {
    await Promise.race([running.over, killed]);
    if (context.signal.aborted) {
      const isGone = await killed;
      if (isGone) await running.over;
      throw new Cancelled(isGone, output.kept.texts());
    }
    const exit = await running.exited;
    checkStart(await running.started, running.noise, cwd, exit);
    if (exit === undefined) {
      // Where it is the whole connection that is lost, its end is told by that.
      await drone.server.ping();
      throw new CommandLost('the server closed the channel without telling how the command ended');
    }
    return { ...exit, ...output.kept.texts(), truncated: output.kept.truncated, totalBytes: output.kept.totalBytes() };
  } finally {
    running.close();
  }
}

/** Resolves once the call is cancelled and its processes have been ended: whether they are known to be gone. */
async function endedBySignal({ ender }: PlainDrone, context: CallContext, running: Command): Promise<boolean> {
  if (!context.signal.aborted) await once(context.signal, 'abort');
  const stop = new AbortController();
  const late = delay(context.killGraceMs, LATE, { signal: stop.signal }).catch(() => LATE);
  const word = await Promise.race([running.started, late]);
  stop.abort();
  // The login shell still runs its scripts. Its channel is closed, and with it goes what would announce the command.
  if (word === LATE) return false;
  const pid = Number(word);
  // Nothing has been started, and nothing will be.
  if (!(pid > 1)) return true;
  try {
    return (await ender.end({ kind: 'command', pid })) === 'gone';
  } catch (error) {
    context.warn(`run: the command could not be ended: ${messageOf(error)}`);
    return false;
  }
}

/** Throws what kept the command from starting. */
function checkStart(word: string | undefined, noise: string, cwd: string | undefined, exit: Exit | undefined): void {
  if (word === undefined && exit !== undefined) {
    const how = exit.signal === null ? `status ${String(exit.exitCode)}` : `signal ${exit.signal}`;
    const said = noise.trim().replaceAll(/\s+/g, ' ').slice(-NOISE_CHARS);
    throw new Error(`the login shell ended with ${how} before the command: ${JSON.stringify(said)}`);
  }
  if (word !== undefined && !/^\d+$/.test(word)) {
    const where = `in working directory ${cwd ?? ''}`;
    throw Object.assign(new Error(`cannot start /bin/sh ${where}: ${word}`), { code: word });
  }
}

class CapturedOutput implements CommandOutput {
  readonly kept: KeptOutput;
  readonly #context: CallContext;
  #command: Command | undefined;

  constructor(maxBytes: number | undefined, context: CallContext) {
    this.kept = new KeptOutput(maxBytes, context.output !== undefined);
    this.#context = context;
  }

  /** Whose output it is, to be slowed down when the link is behind. */
  of(command: Command): Command {
    this.#command = command;
    return command;
  }

  readonly stdout = (chunk: Uint8Array): void => {
    this.#pass('stdout', chunk);
  };

  readonly stderr = (chunk: Uint8Array): void => {
    this.#pass('stderr', chunk);
  };

  #pass(stream: 'stdout' | 'stderr', chunk: Uint8Array): void {
    this.kept.push(stream, chunk);
    const { output } = this.#context;
    if (output !== undefined && !output.write(stream, chunk)) this.#command?.pauseUntil(output.drained());
  }
}
