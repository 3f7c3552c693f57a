/** Engines on a real PostgreSQL, and what is asked of them. */
import { CompiledQuery } from 'kysely';
import type { Client } from 'pg';
import pg from 'pg';
import type { Engine, Policy, Transaction } from '../../../src/store/engine.js';
import { PATIENCE, type Patience } from '../../../src/store/postgres/patience.js';
import { openPostgres } from '../../../src/store/postgres/postgres-engine.js';
import { readStoreOptions, type StoreOptions } from '../../../src/store/store-options.js';

export interface TestEngine extends Engine, AsyncDisposable {}

export async function openEngine(
  url: string,
  options: Omit<StoreOptions, 'url'> = {},
  patience: Partial<Patience> = {},
): Promise<TestEngine> {
  const engine = await openPostgres(url, readStoreOptions({ url, ...options }), { ...PATIENCE, ...patience });
  const open = new Set<Transaction>();
  const begin = async (policy: Policy): Promise<Transaction> => {
    const transaction = await engine.begin(policy);
    open.add(transaction);
    for (const end of ['commit', 'rollback'] as const) {
      const original = transaction[end].bind(transaction);
      transaction[end] = () => {
        open.delete(transaction);
        return original();
      };
    }
    return transaction;
  };
  return {
    dialect: engine.dialect,
    begin,
    kindOf: error => engine.kindOf(error),
    refuses: words => engine.refuses(words),
    close: () => engine.close(),
    // A test that fails leaves its transaction open, and an engine does not close before its end.
    [Symbol.asyncDispose]: async () => {
      for (const transaction of open) await transaction.rollback();
      await engine.close();
    },
  };
}

/** The rows of one statement. */
export async function rowsOf(transaction: Transaction, sql: string, ...values: unknown[]): Promise<unknown[]> {
  return (await transaction.execute(CompiledQuery.raw(sql, values))).rows;
}

/** Statements in a transaction of their own, which is committed; the rows of the last. */
export async function inTransaction(engine: Engine, policy: Policy, ...statements: string[]): Promise<unknown[]> {
  const transaction = await engine.begin(policy);
  let rows: unknown[] = [];
  try {
    for (const sql of statements) rows = await rowsOf(transaction, sql);
  } catch (error) {
    await transaction.rollback();
    throw error;
  }
  await transaction.commit();
  return rows;
}

/** Another client's connection to the same database. */
export interface Other extends AsyncDisposable {
  readonly client: Client;
}

export async function connectOther(url: string): Promise<Other> {
  const client = new pg.Client(url);
  // It ends with its server.
  client.on('error', () => undefined);
  await client.connect();
  return { client, [Symbol.asyncDispose]: () => client.end() };
}
