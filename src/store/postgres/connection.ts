/** One connection to PostgreSQL, for one transaction at a time. */
import type { PoolClient, QueryConfig, QueryResult } from 'pg';
import type { Log } from '../../report/log.js';
import { ConnectionLostError, endsConnection, isOfServer, said } from './failure.js';
import type { Patience } from './patience.js';
import { watchServer } from './server-watch.js';

/** What all connections of an engine share. */
export interface ConnectionSettings {
  readonly patience: Patience;
  readonly log: Log;
  /** Whether the server's process of this id is at work. Never rejects. */
  readonly look: (processId: number) => Promise<boolean>;
}

/** One statement per text: pg's other mode allows several. */
interface Statement extends QueryConfig<unknown[]> {
  readonly queryMode: 'extended';
}

export class Connection {
  readonly #client: PoolClient;
  readonly #settings: ConnectionSettings;
  #brokenBy: Error | undefined;
  #isFresh = true;

  /** To be made with the client, whose 'error' must always have a listener. */
  constructor(client: PoolClient, settings: ConnectionSettings) {
    this.#client = client;
    this.#settings = settings;
    client.on('error', error => (this.#brokenBy ??= error));
  }

  /** It has had no transaction yet. An idle one may have broken unnoticed. */
  get isFresh(): boolean {
    return this.#isFresh;
  }

  /** Without a limit while the server works on it. */
  async statement(text: string, values: readonly unknown[] = []): Promise<QueryResult> {
    const { lookEveryMs } = this.#settings.patience;
    const stopWatch = watchServer(
      () => this.#settings.look(processIdOf(this.#client)),
      lookEveryMs,
      () => this.cut('no answer to a statement, on which the server is no longer working, if it exists at all'),
    );
    const statement: Statement = { text, values: [...values], queryMode: 'extended' };
    try {
      return await this.#client.query(statement);
    } catch (error) {
      throw this.#failureOf(error);
    } finally {
      stopWatch();
    }
  }

  /** A COMMIT whose failure the server has not confirmed may have been done, or may yet be. */
  async commit(): Promise<QueryResult> {
    try {
      return await this.statement('COMMIT');
    } catch (error) {
      if (error instanceof ConnectionLostError || isOfServer(error)) throw error;
      this.cut(`no answer to COMMIT: ${said(error)}`);
      throw new ConnectionLostError('the connection to PostgreSQL was abandoned', error);
    }
  }

  /** Cheap statements of our own, in one round trip. */
  async script(text: string): Promise<void> {
    const { answerMs } = this.#settings.patience;
    const timer = setTimeout(() => this.cut(`no answer to ${text} within ${String(answerMs)} ms`), answerMs);
    try {
      await this.#client.query(text);
    } catch (error) {
      throw this.#failureOf(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Returns it to the pool once the session's settings, locks and temporary objects are discarded. */
  giveBack(): void {
    this.#isFresh = false;
    this.script('DISCARD ALL').then(
      () => this.#client.release(),
      (error: unknown) => this.drop(error),
    );
  }

  /** Ends it, with its open transaction. `why` goes to the log. */
  drop(why: unknown): void {
    this.#settings.log.debug(`a connection to PostgreSQL was dropped: ${said(why)}`);
    this.#client.release(true);
  }

  /** Fails what it waits for, and every later request. */
  cut(why: string): void {
    const error = new Error(why);
    this.#brokenBy ??= error;
    this.#client.connection.stream.destroy(error);
  }

  #failureOf(error: unknown): unknown {
    const cause = this.#brokenBy ?? (endsConnection(error) ? error : undefined);
    return cause === undefined ? error : new ConnectionLostError('the connection to PostgreSQL is gone', cause);
  }
}

/** As in pg_stat_activity; missing in pg's types. */
function processIdOf(client: PoolClient): number {
  return (client as PoolClient & { readonly processID: number }).processID;
}
