/** One connection to PostgreSQL, as the one transaction knows it that is on it. */
import type { PoolClient, QueryConfig, QueryResult } from 'pg';
import type { Log } from '../../report/log.js';
import { ConnectionLostError, endsConnection, isOfServer, said } from './failure.js';
import type { Patience } from './patience.js';
import { watchServer } from './server-watch.js';

/** What all connections of an engine share. */
export interface ConnectionSettings {
  readonly patience: Patience;
  readonly log: Log;
  /** Whether the server is at work for this process of its. Never rejects. */
  readonly look: (processId: number) => Promise<boolean>;
}

/** One statement per text, whether it has values or not: in pg's other mode a text may hold several. */
interface Statement extends QueryConfig<unknown[]> {
  readonly queryMode: 'extended';
}

export class Connection {
  readonly #client: PoolClient;
  readonly #settings: ConnectionSettings;
  #brokenBy: Error | undefined;
  #isFresh = true;

  /** Called as soon as there is such a client: its 'error' is to find a listener from then on, whoever has it. */
  constructor(client: PoolClient, settings: ConnectionSettings) {
    this.#client = client;
    this.#settings = settings;
    client.on('error', error => {
      this.#brokenBy ??= error;
    });
  }

  /** Nothing was on it yet. One that was idle meanwhile may have broken, and nobody knows. */
  get isFresh(): boolean {
    return this.#isFresh;
  }

  /** A statement may take as long as the server works on it. */
  async statement(text: string, values: readonly unknown[] = []): Promise<QueryResult> {
    const { lookEveryMs } = this.#settings.patience;
    const stopWatch = watchServer(
      () => this.#settings.look(processIdOf(this.#client)),
      lookEveryMs,
      () => this.cut('no answer to a statement, on which the server does not work any more, if it is there at all'),
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

  /** A COMMIT of which the server itself has not said that it failed may have been done, or may yet be. */
  async commit(): Promise<QueryResult> {
    try {
      return await this.statement('COMMIT');
    } catch (error) {
      if (error instanceof ConnectionLostError || isOfServer(error)) throw error;
      this.cut(`no answer to COMMIT: ${said(error)}`);
      throw new ConnectionLostError('the connection to PostgreSQL was given up', error);
    }
  }

  /** Statements of our own that cost the server no work, in one round trip. */
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

  /** Back to those that are idle, once nothing is left in it of what was set, locked or made for the session. */
  giveBack(): void {
    this.#isFresh = false;
    this.script('DISCARD ALL').then(
      () => this.#client.release(),
      (error: unknown) => this.drop(error),
    );
  }

  /** Ends it, and by that what it has open. `why` goes to the log. */
  drop(why: unknown): void {
    this.#settings.log.debug(`a connection to PostgreSQL is dropped: ${said(why)}`);
    this.#client.release(true);
  }

  /** Whatever it waits for fails, and what is asked of it from now on. */
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

/** As the server names it in pg_stat_activity; pg keeps it, its types do not have it. */
function processIdOf(client: PoolClient): number {
  return (client as PoolClient & { readonly processID: number }).processID;
}
