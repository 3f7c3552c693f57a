/** Sections on PostgreSQL, by the package pg. */
import { PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely';
import type { Client, ClientConfig, Pool } from 'pg';
import { loadPackage } from '../../option/optional-package.js';
import type { Engine, Policy, Transaction } from '../engine.js';
import { firstWords } from '../statements.js';
import { StoreError } from '../store-error.js';
import type { StoreSettings } from '../store-options.js';
import type { ConnectionSettings } from './connection.js';
import { Connections } from './connections.js';
import { kindOf, said } from './failure.js';
import { PATIENCE, type Patience } from './patience.js';
import { refuses } from './refusal.js';
import { isAtWork } from './server-watch.js';
import { beginScript, WholeTransaction } from './stretch.js';

/** Until an unused connection is closed. */
const IDLE_MS = 60_000;

/** Connects to the database of the URL. Rejects with a StoreError: `ERR_PACKAGE_MISSING`, `ERR_STORE_OPEN`. */
export async function openPostgres(
  url: string,
  settings: StoreSettings,
  patience: Patience = PATIENCE,
): Promise<Engine> {
  const pg = await loadPackage('pg', 'a store in PostgreSQL', () => import('pg'), StoreError);
  const config: ClientConfig = {
    connectionString: url,
    fallback_application_name: `drone-task-queue ${settings.name}`,
    keepAlive: true,
    keepAliveInitialDelayMillis: patience.keepAliveMs,
  };
  // The pool's own limit would also limit the wait for an idle connection.
  class ImpatientClient extends pg.Client {
    constructor(given?: ClientConfig) {
      super({ connectionTimeoutMillis: patience.connectMs, ...given });
    }
  }
  const makePool = (max: number): Pool =>
    new pg.Pool({ ...config, Client: ImpatientClient, max, idleTimeoutMillis: IDLE_MS, allowExitOnIdle: true });
  const makeLooker = (): Client =>
    new pg.Client({ ...config, connectionTimeoutMillis: patience.lookMs, query_timeout: patience.lookMs });
  const where = addressOf(() => new pg.Client(config));
  const connectionSettings: ConnectionSettings = {
    patience,
    log: settings.log,
    look: processId => isAtWork(makeLooker, processId),
  };
  const connections = (max: number): Connections =>
    new Connections(makePool(max), connectionSettings, settings.busyTimeoutMs);
  const engine = new PostgresEngine(connections(settings.readConnections), connections(1), settings.busyTimeoutMs);
  try {
    const probe = await engine.begin('read');
    await probe.rollback();
  } catch (error) {
    await engine.close();
    throw new StoreError('ERR_STORE_OPEN', `cannot open ${where}: ${said(error)}`, { cause: error });
  }
  return engine;
}

/** For messages, without the password. Throws a StoreError for a URL that pg cannot read. */
function addressOf(makeClient: () => Client): string {
  try {
    const { user = '', host, port, database = '' } = makeClient();
    return `the PostgreSQL database '${database}' at ${host}:${String(port)} as user '${user}'`;
  } catch (error) {
    const text = `the URL of the PostgreSQL database cannot be read: ${said(error)}`;
    throw new StoreError('ERR_STORE_OPEN', text, { cause: error });
  }
}

class PostgresEngine implements Engine {
  readonly dialect: Engine['dialect'] = {
    createAdapter: () => new PostgresAdapter(),
    createQueryCompiler: () => new PostgresQueryCompiler(),
    createIntrospector: db => new PostgresIntrospector(db),
  };
  readonly kindOf = kindOf;
  /** Separate, so that the writer never waits for readers. */
  readonly #connections: Readonly<Record<Policy, Connections>>;
  readonly #busyTimeoutMs: number;
  #closed: Promise<unknown> | undefined;

  constructor(readers: Connections, writer: Connections, busyTimeoutMs: number) {
    this.#connections = { read: readers, readWrite: writer };
    this.#busyTimeoutMs = busyTimeoutMs;
  }

  async begin(policy: Policy): Promise<Transaction> {
    for (;;) {
      const connection = await this.#connections[policy].take();
      try {
        await connection.script(beginScript(policy, this.#busyTimeoutMs));
        return new WholeTransaction(connection);
      } catch (error) {
        connection.drop(error);
        // A connection that broke while idle is replaced, as nothing has run yet.
        if (connection.isFresh || kindOf(error) !== 'lost') throw error;
      }
    }
  }

  refuses(sql: string): boolean {
    return refuses(firstWords(sql, 'nested'));
  }

  async close(): Promise<void> {
    this.#closed ??= Promise.all(Object.values(this.#connections).map(connections => connections.close()));
    await this.#closed;
  }
}
