/**
 * The exec channels of one connection: so many at once as the server allows, the others wait for their turn.
 *
 * How many that is, no server tells. It is found out: a refusal while others are open means that these are all there can
 * be; with none open it is tried again, as the server may be about to clear up the last one, and then is an answer.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientChannel } from 'ssh2';
import { Line } from '../../../../wait/line.js';
import type { ExecText } from './shell-text.js';
import { isChannelRefused, type Server } from './server.js';

/** Below the ten of sshd's MaxSessions, so that there is one left to end processes with. */
const MOST_AT_ONCE = 8;
/** With waits that double from 2 ms on: a second in all. */
const TRIES = 10;

type Listen<T> = (channel: ClientChannel) => T;

export class ExecSlots {
  readonly #server: Server;
  readonly #gone: AbortSignal;
  readonly #line = new Line(MOST_AT_ONCE);

  /** All end when `gone` is aborted. */
  constructor(server: Server, gone: AbortSignal) {
    this.#server = server;
    this.#gone = gone;
  }

  /**
   * Starts a command when there is a channel for it, and gives what `listen` makes of that; undefined when `signal` was
   * aborted before, and the command does not run.
   */
  async start<T>({ command }: ExecText, listen: Listen<T>, signal: AbortSignal): Promise<T | undefined> {
    let leave: (() => void) | undefined;
    for (let tries = 1; ;) {
      leave ??= await this.#line.enter(signal).catch(() => undefined);
      if (leave === undefined) return undefined;
      try {
        return await this.#exec(command, listen, leave);
      } catch (error) {
        const others = this.#line.inside - 1;
        // It keeps its place: others would be refused, too.
        const isAgain = isChannelRefused(error) && others === 0 && tries < TRIES;
        if (isAgain) await delay(2 ** tries++, undefined, { signal }).catch(() => undefined);
        if (isAgain && !signal.aborted) continue;
        const isFull = isChannelRefused(error) && others > 0;
        // Before the next one is let in.
        if (isFull) this.#line.resize(others);
        this.#free(leave);
        leave = undefined;
        if (!isFull && !signal.aborted) throw error;
      }
    }
  }

  /** At once, past those that wait. Rejects when the server refuses. */
  async startNow<T>({ command }: ExecText, listen: Listen<T>): Promise<T> {
    const leave = this.#line.enterNow();
    try {
      return await this.#exec(command, listen, leave);
    } catch (error) {
      this.#free(leave);
      throw error;
    }
  }

  #exec<T>(command: string, listen: Listen<T>, leave: () => void): Promise<T> {
    return this.#server.exec(command, this.#gone, channel => {
      channel.once('close', () => this.#free(leave));
      return listen(channel);
    });
  }

  #free(leave: () => void): void {
    // With none left, what was found out may be no longer so.
    if (this.#line.inside === 1) this.#line.resize(MOST_AT_ONCE);
    leave();
  }
}
