/** Kysely's way to a section: one connection, whose transaction is the section's matter. */
import type { CompiledQuery, DatabaseConnection, Driver, QueryResult } from 'kysely';
import { StoreError } from './store-error.js';

/** What runs the statements. */
interface Executor {
  readonly title: string;
  execute(query: CompiledQuery): Promise<QueryResult<unknown>>;
}

export class SectionDriver implements Driver {
  readonly #connection: SectionConnection;

  constructor(section: Executor) {
    this.#connection = new SectionConnection(section);
  }

  init(): Promise<void> {
    return Promise.resolve();
  }

  acquireConnection(): Promise<DatabaseConnection> {
    return Promise.resolve(this.#connection);
  }

  beginTransaction(): Promise<void> {
    return this.#connection.refuse('begin', 'a section is a transaction already; open an inner section');
  }

  commitTransaction(): Promise<void> {
    return this.#connection.refuse('commit', 'a section is committed when its callback resolves');
  }

  rollbackTransaction(): Promise<void> {
    return this.#connection.refuse('rollback', 'a section is rolled back when its callback throws');
  }

  releaseConnection(): Promise<void> {
    return Promise.resolve();
  }

  destroy(): Promise<void> {
    return Promise.resolve();
  }
}

class SectionConnection implements DatabaseConnection {
  readonly #section: Executor;

  constructor(section: Executor) {
    this.#section = section;
  }

  executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    return this.#section.execute(query) as Promise<QueryResult<R>>;
  }

  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    await this.refuse('stream', 'a section is short: select what you need, with a limit');
  }

  refuse(what: string, why: string): Promise<never> {
    return Promise.reject(new StoreError('ERR_STATEMENT_REFUSED', `${what} in the ${this.#section.title}: ${why}`));
  }
}
