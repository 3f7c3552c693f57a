/** A shell text on an exec channel, from its start to its end; a cancel of its call ends it with its children. */
import type { ClientChannel } from 'ssh2';
import { raceAbort } from '../../../../wait/abort.js';
import { settlesWithin } from '../../../../wait/clock.js';
import { Cancelled, type CallContext } from '../../../agent/call-context.js';
import { messageOf } from '../../../agent/outcome.js';
import type { Output } from '../../../wire/messages.js';
import { Command, type CommandOutput, type Exit } from './command.js';
import type { Ender } from './ender.js';
import type { ExecSlots } from './exec-slots.js';
import type { PipeKeeper } from './pipe-keeper.js';
import type { Server } from './server.js';
import { type ExecText, startOf } from './shell-text.js';

export interface PlainDrone {
  readonly server: Server;
  readonly slots: ExecSlots;
  readonly ender: Ender;
  readonly keeper: PipeKeeper;
  readonly env: Readonly<Record<string, string>>;
  /** The server is about to be asked to start the command. */
  onRequest(): void;
}

export interface ChannelRun {
  /** For warnings: the method's name. */
  readonly name: string;
  readonly text: ExecText;
  readonly cwd?: string | undefined;
  readonly output: CommandOutput;
  /** Writes what the command reads, now or later, and ends its stdin. */
  feed(command: Command): void;
  /** The output so far, for a call that fails; absent where the caller has no use for it. */
  printed?(): Output;
}

/** The server closed a command's channel without an exit status. */
export class CommandLost extends Error {}

const NOISE_CHARS = 300;

/** Rejects with a Cancelled once the call's signal has aborted and the command's end is known, or known to be unknown. */
export async function runOnChannel(drone: PlainDrone, context: CallContext, run: ChannelRun): Promise<Exit> {
  const { signal } = context;
  const listen = (channel: ClientChannel): Command => new Command(drone.server, channel, run.text, run.output);
  const running = await drone.slots.start(run.text, listen, signal, drone.onRequest);
  if (running === undefined) throw new Cancelled(true);
  if (run.printed) context.prints(run.printed);
  run.feed(running);
  let pipes: readonly string[] = [];
  try {
    await raceAbort(signal, running.over).catch(() => undefined); // aborted: handled next
    if (signal.aborted) {
      const isGone = await endCommand(drone, context, run.name, running);
      // What the login shell does after the command is not waited for.
      if (isGone) await running.drain();
      throw new Cancelled(isGone);
    }
    const exit = await running.exited;
    const word = await running.started;
    checkStart(word, running.noise, run.cwd, exit);
    pipes = startOf(word ?? '')?.pipes ?? [];
    if (exit === undefined) {
      // If the whole connection is lost, its end reports that.
      await drone.server.ping();
      throw new CommandLost('the server closed the channel without reporting how the command ended');
    }
    return exit;
  } finally {
    void letGo(running, pipes, drone.keeper);
  }
}

/** Closes the channel; processes that still write to it, and were not ended, get another reader first. */
async function letGo(running: Command, pipes: readonly string[], keeper: PipeKeeper): Promise<void> {
  running.discard();
  if (running.isOpen) await keeper.keep(pipes);
  running.close();
}

/** Ends the command's processes. Resolves to whether they are known to be gone. */
async function endCommand(
  { ender }: PlainDrone,
  context: CallContext,
  name: string,
  running: Command,
): Promise<boolean> {
  // The login shell still runs its scripts. Its channel is closed, which also ends the announcement.
  if (!(await settlesWithin(context.killGraceMs, running.started))) return false;
  const start = startOf((await running.started) ?? '');
  // Nothing was started, and nothing will be.
  if (start === undefined) return true;
  try {
    return (await ender.end({ kind: 'command', pid: start.pid })) === 'gone';
  } catch (error) {
    context.warn(`${name}: the command could not be ended: ${messageOf(error)}`);
    return false;
  }
}

function checkStart(word: string | undefined, noise: string, cwd: string | undefined, exit: Exit | undefined): void {
  if (word === undefined && exit !== undefined) {
    const how = exit.signal === null ? `status ${String(exit.exitCode)}` : `signal ${exit.signal}`;
    const said = noise.trim().replaceAll(/\s+/g, ' ').slice(-NOISE_CHARS);
    throw new Error(`the login shell ended with ${how} before the command: ${JSON.stringify(said)}`);
  }
  if (word !== undefined && startOf(word) === undefined) {
    const where = `in working directory ${cwd ?? ''}`;
    throw Object.assign(new Error(`cannot start /bin/sh ${where}: ${word}`), { code: word });
  }
}
