/** Connections that read, opened when needed. When all are in use, callers wait in turn. */
import { Semaphore } from '../../wait/semaphore.js';
import type { Connection } from './sqlite-connection.js';

export class ReadPool {
  readonly #line: Semaphore;
  readonly #open: () => Promise<Connection>;
  #idle: Connection[] = [];
  readonly #leaves = new Map<Connection, () => void>();

  constructor(max: number, open: () => Promise<Connection>) {
    this.#line = new Semaphore(max);
    this.#open = open;
  }

  async take(): Promise<Connection> {
    const leave = await this.#line.enter();
    try {
      this.#idle = this.#idle.filter(connection => !connection.isLost);
      const connection = this.#idle.pop() ?? (await this.#open());
      this.#leaves.set(connection, leave);
      return connection;
    } catch (error) {
      leave();
      throw error;
    }
  }

  giveBack(connection: Connection): void {
    if (!connection.isLost) this.#idle.push(connection);
    this.#leaves.get(connection)?.();
    this.#leaves.delete(connection);
  }

  /** To be called when all are given back. */
  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map(connection => connection.close()));
  }
}
