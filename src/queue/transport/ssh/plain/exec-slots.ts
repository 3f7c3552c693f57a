/**
 * The exec channels of one connection: as many at once as the server allows, the others wait.
 *
 * No server announces that number. A refusal while others are open means that their number is the limit. A refusal with
 * none open is retried before it counts, because the server may still be cleaning up the last channel.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientChannel } from 'ssh2';
import { Semaphore } from '../../../../wait/semaphore.js';
import type { ExecText } from './shell-text.js';
import { isChannelRefused, type Server } from './server.js';

/** Below sshd's MaxSessions of ten, so that one is left to end processes with. */
const MOST_AT_ONCE = 8;
/** The waits double from 2 ms, to a second in all. */
const TRIES = 10;

type Listen<T> = (channel: ClientChannel) => T;

export class ExecSlots {
  readonly #server: Server;
  readonly #gone: AbortSignal;
  readonly #line = new Semaphore(MOST_AT_ONCE);

  constructor(server: Server, gone: AbortSignal) {
    this.#server = server;
    this.#gone = gone;
  }

  /**
   * Starts a command when there is a channel for it. Undefined when `signal` was aborted before; the command does not
   * run then. For `onRequest` see Server.
   */
  async start<T>(
    { command }: ExecText,
    listen: Listen<T>,
    signal: AbortSignal,
    onRequest?: () => void,
  ): Promise<T | undefined> {
    let leave: (() => void) | undefined;
    for (let tries = 1; ;) {
      leave ??= await this.#line.enter(signal).catch(() => undefined);
      if (leave === undefined) return undefined;
      try {
        return await this.#exec(command, listen, leave, onRequest);
      } catch (error) {
        const others = this.#line.inside - 1;
        // Keeps its place: others would be refused, too.
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

  /** Starts at once, ahead of those that wait. Rejects when the server refuses. */
  async startNow<T>({ command }: ExecText, listen: Listen<T>): Promise<T> {
    const leave = this.#line.enterNow();
    try {
      return await this.#exec(command, listen, leave);
    } catch (error) {
      this.#free(leave);
      throw error;
    }
  }

  #exec<T>(command: string, listen: Listen<T>, leave: () => void, onRequest?: () => void): Promise<T> {
    const listenAndLeave = (channel: ClientChannel): T => {
      channel.once('close', () => this.#free(leave));
      return listen(channel);
    };
    return this.#server.exec(command, this.#gone, listenAndLeave, onRequest);
  }

  #free(leave: () => void): void {
    // With none open, the limit may have changed.
    if (this.#line.inside === 1) this.#line.resize(MOST_AT_ONCE);
    leave();
  }
}
