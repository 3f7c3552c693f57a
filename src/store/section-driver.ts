/** Kysely's way to a section: one connection, whose transaction the section controls. */
import type { CompiledQuery, DatabaseConnection, Driver, QueryResult } from 'kysely';
import { StoreError } from './store-error.js';

/** What runs the statements. */
interface Executor {
  readonly title: string;
  execute(query: CompiledQuery): Promise<QueryResult<unknown>>;
}

const nothing = async (): Promise<void> => undefined;

export class SectionDriver implements Driver, DatabaseConnection {
  readonly init = nothing;
  readonly releaseConnection = nothing;
  readonly destroy = nothing;
  readonly #section: Executor;

  constructor(section: Executor) {
    this.#section = section;
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    return this;
  }

  executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    return this.#section.execute(query) as Promise<QueryResult<R>>;
  }

  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    await this.#refuse('stream', 'a section is short: select what you need, with a limit');
  }

  async beginTransaction(): Promise<void> {
    return this.#refuse('begin', 'a section is already a transaction; open an inner section');
  }

  async commitTransaction(): Promise<void> {
    return this.#refuse('commit', 'a section is committed when its callback resolves');
  }

  async rollbackTransaction(): Promise<void> {
    return this.#refuse('rollback', 'a section is rolled back when its callback throws');
  }

  async #refuse(what: string, why: string): Promise<never> {
    throw new StoreError('ERR_STATEMENT_REFUSED', `${what} in the ${this.#section.title}: ${why}`);
  }
}
