/** Connections that read, opened when needed, and waited for, first come first served, when all are in use. */
import type { Connection } from './sqlite-connection.js';

interface Waiter {
  resolve(connection: Connection | Promise<Connection>): void;
}

export class ReadPool {
  readonly #max: number;
  readonly #open: () => Promise<Connection>;
  readonly #idle: Connection[] = [];
  readonly #waiters: Waiter[] = [];
  #inUse = 0;

  constructor(max: number, open: () => Promise<Connection>) {
    this.#max = max;
    this.#open = open;
  }

  async take(): Promise<Connection> {
    if (this.#inUse >= this.#max) {
      return new Promise(resolve => {
        this.#waiters.push({ resolve });
      });
    }
    this.#inUse++;
    return this.#connection();
  }

  giveBack(connection: Connection): void {
    if (!connection.isLost) this.#idle.push(connection);
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#inUse--;
    else waiter.resolve(this.#connection());
  }

  /** When all were given back. */
  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map(connection => connection.close()));
  }

  async #connection(): Promise<Connection> {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) if (!idle.isLost) return idle;
    try {
      return await this.#open();
    } catch (error) {
      const waiter = this.#waiters.shift();
      if (waiter === undefined) this.#inUse--;
      else waiter.resolve(this.#connection());
      throw error;
    }
  }
}
