/** The store's side of a connection to an SQLite file. */
import { invalidArgument } from '../../option/invalid-argument.js';
import type { Executed } from './messages.js';
import type { SqliteWorker } from './sqlite-worker.js';

let lastConnection = 0;

export class Connection {
  readonly #thread: SqliteWorker;
  readonly #id: number;
  #isClosed = false;

  private constructor(thread: SqliteWorker, id: number) {
    this.#thread = thread;
    this.#id = id;
  }

  static async open(thread: SqliteWorker, file: string, readOnly: boolean, script: string): Promise<Connection> {
    const connection = new Connection(thread, ++lastConnection);
    await thread.ask({ op: 'open', connection: connection.#id, file, readOnly, script });
    return connection;
  }

  get isLost(): boolean {
    return this.#isClosed || this.#thread.isLost;
  }

  /** One statement; rejects with a TypeError (`ERR_INVALID_ARG`) for a parameter that SQLite has no type for. */
  async execute(sql: string, parameters: readonly unknown[]): Promise<Executed> {
    const values = parameters.map((value, at) => {
      // A view would send all of its larger buffer to the thread.
      if (value instanceof Uint8Array) return value.byteLength < value.buffer.byteLength ? value.slice() : value;
      if (isSqliteValue(value)) return value;
      const expected = 'null, a number, a bigint, a string or a Uint8Array, which are what SQLite stores';
      throw invalidArgument(`parameter ${String(at + 1)} of the statement`, value, expected);
    });
    return (await this.#thread.ask({ op: 'execute', connection: this.#id, sql, parameters: values })) ?? { rows: [] };
  }

  async begin(script: string): Promise<void> {
    await this.#thread.ask({ op: 'begin', connection: this.#id, script });
  }

  /** Statements of our own in the open transaction; rejects where that was undone. */
  async script(script: string): Promise<void> {
    await this.#thread.ask({ op: 'inside', connection: this.#id, script });
  }

  /** Undoes the open transaction, if there still is one. Never rejects: a connection that does not obey is closed. */
  async endTransaction(): Promise<void> {
    try {
      await this.#thread.ask({ op: 'end', connection: this.#id, script: 'ROLLBACK' });
    } catch {
      // The caller reports why the transaction is undone, not this.
      await this.close();
    }
  }

  /**
   * Moves the WAL into the file, as SQLite does when its last connection closes; \@photostructure/sqlite does not close one
   * with statements. Does not wait and never rejects, as data is as safe in the WAL.
   */
  async checkpoint(): Promise<void> {
    await this.begin('PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)').catch(() => undefined);
  }

  /** Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#thread.ask({ op: 'close', connection: this.#id }).catch(() => undefined);
  }
}

function isSqliteValue(value: unknown): boolean {
  return value === null || typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string';
}
