/** A transaction of PostgreSQL, and the stretches of one, which are savepoints. */
import type { CompiledQuery, QueryResult } from 'kysely';
import type { Policy, Transaction } from '../engine.js';
import type { Connection } from './connection.js';
import { said } from './failure.js';

/** The first word of the answer to a statement that counts rows, as Kysely sees it. */
const COUNTS_ROWS = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE']);
/** The same, of what ends the transaction. */
const ENDS_TRANSACTION = new Set(['BEGIN', 'COMMIT', 'PREPARE', 'RELEASE', 'ROLLBACK', 'SAVEPOINT', 'START']);

/**
 * In one round trip, so that nobody can come in between. The query takes the snapshot, and from then on the server refuses
 * SET TRANSACTION READ WRITE. A transaction that writes takes its snapshot with its first statement, so that it can lock
 * tables first. It is for no more than the transaction that a wait for locks ends after lock_timeout.
 */
export function beginScript(policy: Policy, lockTimeoutMs: number): string {
  const setTimeout = `SET LOCAL lock_timeout = ${String(Math.max(1, Math.ceil(lockTimeoutMs)))}`;
  return policy === 'read'
    ? `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${setTimeout}; SELECT 1`
    : `BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE; ${setTimeout}`;
}

/** Savepoints of one name lie one upon another: the innermost is meant. Its end brings the old policy back. */
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
    // Too late to refuse it; but nobody goes on as if this were still the transaction.
    if (ENDS_TRANSACTION.has(command)) throw new Error(`a ${command} has ended the transaction of its section`);
    return COUNTS_ROWS.has(command) ? { rows, numAffectedRows: BigInt(rowCount ?? 0) } : { rows };
  }

  /** A stretch of one that only reads only reads, too, whatever it asks for. */
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
      // So the server answers, and no error, where a statement had failed before.
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
      // Nobody may go on with what was to be undone: the whole transaction fails.
      this.connection.cut(`a savepoint could not be undone: ${said(error)}`);
    }
  }
}
