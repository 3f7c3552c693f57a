/** A shell command over a connection, from its start to its end; a cancel of its call ends it with its children. */
import { raceAbort } from '../../../../wait/abort.js';
import { settlesWithin } from '../../../../wait/clock.js';
import { Cancelled, type CallContext } from '../../../agent/call-context.js';
import { messageOf } from '../../../agent/outcome.js';
import type { Exit, Running } from './command.js';
import type { Ender } from './ender.js';
import type { Lanes, Order } from './lanes.js';
import type { PipeKeeper } from './pipe-keeper.js';
import type { Server } from './server.js';

export interface PlainDrone {
  readonly server: Server;
  readonly lanes: Lanes;
  readonly ender: Ender;
  readonly keeper: PipeKeeper;
  readonly env: Readonly<Record<string, string>>;
  /** The server is about to be asked to start the command. */
  onRequest(): void;
}

export interface ChannelRun extends Order {
  /** For warnings: the method's name. */
  readonly name: string;
  /** What a cancelled call reports of its output. */
  printed?(): { readonly stdout: string; readonly stderr: string };
}

/** The server closed a command's channel without an exit status. */
export class CommandLost extends Error {}

const NOISE_CHARS = 300;

/** Rejects with a Cancelled once the call's signal has aborted and the command's end is known, or known to be unknown. */
export async function runOnChannel(drone: PlainDrone, context: CallContext, run: ChannelRun): Promise<Exit> {
  const { signal } = context;
  const running = await drone.lanes.start(run, signal, drone.onRequest);
  if (running === undefined) throw new Cancelled(true);
  let pipes: readonly string[] = [];
  try {
    await raceAbort(signal, running.over).catch(() => undefined); // aborted: handled next
    if (signal.aborted) {
      const isGone = await endCommand(drone, context, run.name, running);
      if (isGone) await running.over;
      throw new Cancelled(isGone, run.printed?.());
    }
    const exit = await running.exited;
    const start = await running.started;
    checkStart(running, start !== undefined, run.command.cwd, exit);
    pipes = start?.pipes ?? [];
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

/** Gives the channel back or closes it; but what still writes to it, and was not ended, gets another reader first. */
async function letGo(running: Running, pipes: readonly string[], keeper: PipeKeeper): Promise<void> {
  running.discard();
  if (running.isOpen) await keeper.keep(pipes);
  running.close();
}

/** Ends the command's processes. Resolves to whether they are known to be gone. */
async function endCommand(
  { ender }: PlainDrone,
  context: CallContext,
  name: string,
  running: Running,
): Promise<boolean> {
  running.ending();
  // The login shell still runs its scripts. Its channel is closed, which also ends the announcement.
  if (!(await settlesWithin(context.killGraceMs, running.started))) return false;
  const start = await running.started;
  // Nothing was started, and nothing will be.
  if (start === undefined) return true;
  try {
    return (await ender.end({ kind: 'command', pid: start.pid })) === 'gone';
  } catch (error) {
    context.warn(`${name}: the command could not be ended: ${messageOf(error)}`);
    return false;
  }
}

function checkStart(
  { refusal, noise }: Running,
  hasStarted: boolean,
  cwd: string | undefined,
  exit: Exit | undefined,
): void {
  if (refusal !== undefined) {
    const where = `in working directory ${cwd ?? ''}`;
    throw Object.assign(new Error(`cannot start /bin/sh ${where}: ${refusal}`), { code: refusal });
  }
  if (!hasStarted && exit !== undefined) {
    const how = exit.signal === null ? `status ${String(exit.exitCode)}` : `signal ${exit.signal}`;
    const said = noise.trim().replaceAll(/\s+/g, ' ').slice(-NOISE_CHARS);
    throw new Error(`the login shell ended with ${how} before the command: ${JSON.stringify(said)}`);
  }
}
