/** A transaction of PostgreSQL, and the stretches inside it, which are savepoints. */
import type { CompiledQuery, QueryResult } from 'kysely';
import type { Policy, Transaction } from '../engine.js';
import type { Connection } from './connection.js';
import { said } from './failure.js';

/** Answers to statements that count rows, as Kysely sees it. */
const COUNTS_ROWS = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE']);
/** Answers to statements that end the transaction. */
const ENDS_TRANSACTION = new Set(['BEGIN', 'COMMIT', 'PREPARE', 'RELEASE', 'ROLLBACK', 'SAVEPOINT', 'START']);

/**
 * One round trip. The SELECT takes the snapshot, after which the server refuses SET TRANSACTION READ WRITE. A transaction
 * that writes takes its snapshot later, so that it can lock tables first.
 */
export function beginScript(policy: Policy, lockTimeoutMs: number): string {
  const setTimeout = `SET LOCAL lock_timeout = ${String(Math.max(1, Math.ceil(lockTimeoutMs)))}`;
  return policy === 'read'
    ? `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${setTimeout}; SELECT 1`
    : `BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE; ${setTimeout}`;
}

/** Savepoints of one name nest: the innermost is meant. Its end restores the outer policy. */
const NEST: Readonly<Record<Policy, string>> = {
  read: 'SAVEPOINT section; SET TRANSACTION READ ONLY; SELECT 1',
  readWrite: 'SAVEPOINT section',
};

abstract class Stretch implements Transaction {
  protected readonly connection: Connection;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  async execute({ sql, parameters }: CompiledQuery): Promise<QueryResult<unknown>> {
    const { command, rowCount, rows } = await this.connection.statement(sql, parameters);
    // Too late to refuse it, but no further statement runs as if in the transaction.
    if (ENDS_TRANSACTION.has(command)) throw new Error(`a ${command} has ended the transaction of its section`);
    return COUNTS_ROWS.has(command) ? { rows, numAffectedRows: BigInt(rowCount ?? 0) } : { rows };
  }

  async nest(policy: Policy): Promise<Transaction> {
    await this.connection.script(NEST[policy]);
    return new Savepoint(this.connection);
  }

  abstract commit(): Promise<void>;
  abstract rollback(): Promise<void>;
}

export class WholeTransaction extends Stretch {
  async commit(): Promise<void> {
    try {
      const { command } = await this.connection.commit();
      // After a failed statement the server answers COMMIT with ROLLBACK instead of an error.
      if (command !== 'COMMIT') throw new Error(`the server answered COMMIT with ${command}: nothing was kept`);
    } finally {
      this.connection.giveBack();
    }
  }

  async rollback(): Promise<void> {
    try {
      await this.connection.script('ROLLBACK');
    } catch (error) {
      this.connection.drop(error);
      return;
    }
    this.connection.giveBack();
  }
}

class Savepoint extends Stretch {
  async commit(): Promise<void> {
    await this.connection.script('RELEASE section');
  }

  async rollback(): Promise<void> {
    try {
      await this.connection.script('ROLLBACK TO section; RELEASE section');
    } catch (error) {
      // The whole transaction must fail, as work that was to be undone is in it.
      this.connection.cut(`a savepoint could not be undone: ${said(error)}`);
    }
  }
}
