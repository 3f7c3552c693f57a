/**
 * The exec channels of one connection: so many at once as the server allows, the others wait for their turn.
 *
 * How many that is, no server tells. It is found out: a refusal while others are open means that these are all there can
 * be; with none open it is tried again, as the server may be about to clear up the last one, and then is an answer.
 */
import type { ClientChannel } from 'ssh2';
import type { ExecText } from './shell-text.js';
import { isChannelRefused, type Server } from './server.js';

/** Below the ten of sshd's MaxSessions, so that there is one left to end processes with. */
const MOST_AT_ONCE = 8;
const TRIES = 3;

type Listen<T> = (channel: ClientChannel) => T;

export class ExecSlots {
  readonly #server: Server;
  readonly #gone: AbortSignal;
  readonly #waiting = new Set<() => void>();
  #limit = MOST_AT_ONCE;
  #open = 0;

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
    for (let tries = 1; ;) {
      while (this.#open >= this.#limit && !signal.aborted) await this.#turn(signal);
      if (signal.aborted) return undefined;
      try {
        return await this.#exec(command, listen);
      } catch (error) {
        if (!isChannelRefused(error)) throw error;
        if (this.#open > 0) this.#limit = this.#open;
        else if (tries++ < TRIES) await this.#server.ping();
        else throw error;
      }
    }
  }

  /** At once, past those that wait. Rejects when the server refuses. */
  startNow<T>({ command }: ExecText, listen: Listen<T>): Promise<T> {
    return this.#exec(command, listen);
  }

  async #exec<T>(command: string, listen: Listen<T>): Promise<T> {
    this.#open++;
    try {
      return await this.#server.exec(command, this.#gone, channel => {
        channel.once('close', this.#free);
        return listen(channel);
      });
    } catch (error) {
      this.#free();
      throw error;
    }
  }

  readonly #free = (): void => {
    // With none left, what was found out may be no longer so.
    if (--this.#open === 0) this.#limit = MOST_AT_ONCE;
    // Each looks for itself whether it is its turn; they stand in the order in which they came.
    for (const wake of [...this.#waiting]) wake();
  };

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}
