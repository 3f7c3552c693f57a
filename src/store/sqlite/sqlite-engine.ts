/**
 * Sections on SQLite: a file in WAL mode, one connection that writes, and several read-only ones on a second thread, so that
 * neither the event loop nor the writer waits for a long read.
 */
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';
import { systemClock } from '../../wait/clock.js';
import type { Log } from '../../report/log.js';
import type { Engine, FailureKind, Policy, Transaction } from '../engine.js';
import { firstWords, withoutComments } from '../statements.js';
import { StoreError } from '../store-error.js';
import type { Place, StoreSettings } from '../store-options.js';
import { UNDONE } from './messages.js';
import { MemoryFolder } from './memory-folder.js';
import { isReadingPragma } from './pragmas.js';
import { ReadPool } from './read-pool.js';
import { Connection } from './sqlite-connection.js';
import { WholeTransaction } from './sqlite-transaction.js';
import { THREAD_LOST, SqliteWorker } from './sqlite-worker.js';

/** Primary result codes, the low byte of the extended ones: https://sqlite.org/rescode.html */
const BUSY = 5;
const READONLY = 8;
/** A reader with an old snapshot wants to write. */
const BUSY_SNAPSHOT = 517;

/** SQLite executes some PRAGMAs even when it only explains them. */
const EXPLAIN = /^EXPLAIN (QUERY PLAN )?/;
const EXPLAIN_WORDS = 3;
/** They would end the transaction, or outlive it in the connection. */
const REFUSED =
  /^(BEGIN|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE|ATTACH|DETACH|PRAGMA(?! DEFER_FOREIGN_KEYS)|VACUUM|CREATE (TEMP|TEMPORARY))\b/;
/** `CREATE TABLE temp.job` is a temporary table too. */
const CREATES_TEMPORARY = /^\w+\s+(UNIQUE\s+|VIRTUAL\s+)?\w+\s+(IF\s+NOT\s+EXISTS\s+)?["'`[]?temp["'`\]]?\s*\./i;

const START_PAUSE_MS = 20;

export async function openSqlite(place: Exclude<Place, { url: string }>, settings: StoreSettings): Promise<Engine> {
  const memory = 'file' in place ? undefined : new MemoryFolder();
  const file = 'file' in place ? resolve(place.file) : join(memory?.path ?? '', 'store.db');
  const engine = new SqliteEngine(file, memory, settings);
  try {
    await engine.start();
    return engine;
  } catch (error) {
    await engine.close();
    if (error instanceof StoreError) throw error;
    const { message } = error as Error;
    throw new StoreError('ERR_STORE_OPEN', `the SQLite file ${file} could not be opened: ${message}`, { cause: error });
  }
}

class SqliteEngine implements Engine {
  readonly dialect = {
    createAdapter: () => new SqliteAdapter(),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createIntrospector: (db: ConstructorParameters<typeof SqliteIntrospector>[0]) => new SqliteIntrospector(db),
  };
  readonly #file: string;
  readonly #memory: MemoryFolder | undefined;
  readonly #name: string;
  readonly #log: Log;
  readonly #writeScript: string;
  readonly #busyTimeoutMs: number;
  readonly #readers: ReadPool;
  readonly #threads = new Set<SqliteWorker>();
  #writeThread: SqliteWorker | undefined;
  #readThread: SqliteWorker | undefined;
  #writer: Connection | undefined;
  #closed: Promise<void> | undefined;

  constructor(file: string, memory: MemoryFolder | undefined, settings: StoreSettings) {
    this.#file = file;
    this.#memory = memory;
    this.#name = settings.name;
    this.#busyTimeoutMs = settings.busyTimeoutMs;
    this.#log = settings.log;
    // Waiting for other processes on its thread delays only this store's next writer.
    this.#writeScript = [
      `PRAGMA busy_timeout = ${String(Math.ceil(settings.busyTimeoutMs))}`,
      'PRAGMA journal_mode = WAL',
      // Commits survive a power failure; a database in memory survives nothing.
      `PRAGMA synchronous = ${memory === undefined ? 'FULL' : 'OFF'}`,
    ].join(';');
    this.#readers = new ReadPool(settings.readConnections, () => this.#openReader());
  }

  async start(): Promise<void> {
    const untilMs = systemClock.nowMs() + this.#busyTimeoutMs;
    for (;;) {
      try {
        this.#writer = await this.#openWriter();
        return;
      } catch (error) {
        // Another process switches the file to WAL, for which SQLite does not wait, whatever its busy_timeout.
        if (this.kindOf(error) !== 'busy' || systemClock.nowMs() >= untilMs) throw error;
        await pause(START_PAUSE_MS);
      }
    }
  }

  async begin(policy: Policy): Promise<Transaction> {
    if (policy === 'readWrite') {
      if (this.#writer?.isLost !== false) this.#writer = await this.#openWriter();
      const connection = this.#writer;
      await connection.begin('BEGIN IMMEDIATE');
      return new WholeTransaction(connection, 'readWrite', () => undefined);
    }
    const connection = await this.#readers.take();
    try {
      // The first read takes the snapshot.
      await connection.begin('BEGIN; SELECT 1 FROM sqlite_schema');
    } catch (error) {
      await connection.endTransaction();
      this.#readers.giveBack(connection);
      throw error;
    }
    return new WholeTransaction(connection, 'read', () => this.#readers.giveBack(connection));
  }

  kindOf(error: unknown): FailureKind {
    const { code, errcode } = error as { code?: unknown; errcode?: unknown };
    if (code === THREAD_LOST) return 'lost';
    if (code === UNDONE) return 'undone';
    if (typeof errcode !== 'number') return 'statement';
    if (errcode === BUSY_SNAPSHOT) return 'conflict';
    const primary = errcode & 0xff;
    return primary === READONLY ? 'read-only' : primary === BUSY ? 'busy' : 'statement';
  }

  refuses(sql: string): boolean {
    const text = withoutComments(sql);
    const words = firstWords(text, 'flat', EXPLAIN_WORDS + 2).replace(EXPLAIN, '');
    if (words.startsWith('PRAGMA') && isReadingPragma(text)) return false;
    return REFUSED.test(words) || (words.startsWith('CREATE') && CREATES_TEMPORARY.test(text));
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#readers.close();
    await this.#writer?.checkpoint();
    await this.#writer?.close();
    await Promise.all([...this.#threads].map(thread => thread.close()));
    await this.#memory?.remove();
  }

  #openWriter(): Promise<Connection> {
    this.#writeThread = this.#alive(this.#writeThread, 'writer');
    return Connection.open(this.#writeThread, this.#file, false, this.#writeScript);
  }

  #openReader(): Promise<Connection> {
    this.#readThread = this.#alive(this.#readThread, 'readers');
    // A reader waits only for the recovery of a WAL. A read-only connection could still write temporary tables.
    const script = `PRAGMA busy_timeout = ${String(Math.ceil(this.#busyTimeoutMs))}; PRAGMA query_only = 1`;
    return Connection.open(this.#readThread, this.#file, true, script);
  }

  #alive(thread: SqliteWorker | undefined, what: string): SqliteWorker {
    if (thread?.isLost === false) return thread;
    const started = new SqliteWorker(`${this.#name}.${what}`, error => {
      this.#threads.delete(started);
      this.#log.error(`the thread of the ${what} is gone`, { error });
    });
    this.#threads.add(started);
    return started;
  }
}
