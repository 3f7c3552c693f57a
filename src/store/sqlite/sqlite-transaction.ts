/** A transaction on an SQLite connection, and the stretches inside it, which are savepoints. */
import type { CompiledQuery, QueryResult } from 'kysely';
import type { Policy, Transaction } from '../engine.js';
import type { Connection } from './sqlite-connection.js';

abstract class Stretch implements Transaction {
  protected readonly connection: Connection;
  readonly #policy: Policy;

  constructor(connection: Connection, policy: Policy) {
    this.connection = connection;
    this.#policy = policy;
  }

  async execute({ sql, parameters }: CompiledQuery): Promise<QueryResult<unknown>> {
    const { rows, changes, insertId } = await this.connection.execute(sql, parameters);
    return {
      rows,
      ...(changes === undefined ? {} : { numAffectedRows: BigInt(changes) }),
      ...(insertId === undefined ? {} : { insertId: BigInt(insertId) }),
    };
  }

  async nest(policy: Policy): Promise<Transaction> {
    const isNarrower = policy !== this.#policy;
    await this.connection.script(`SAVEPOINT section; ${isNarrower ? 'PRAGMA query_only = 1;' : ''}`);
    return new Savepoint(this.connection, policy, isNarrower ? 'PRAGMA query_only = 0;' : '');
  }

  abstract commit(): Promise<void>;
  abstract rollback(): Promise<void>;
}

export class WholeTransaction extends Stretch {
  readonly #giveBack: () => void;

  constructor(connection: Connection, policy: Policy, giveBack: () => void) {
    super(connection, policy);
    this.#giveBack = giveBack;
  }

  async commit(): Promise<void> {
    try {
      await this.connection.script('COMMIT');
    } catch (error) {
      await this.connection.endTransaction();
      throw error;
    } finally {
      this.#giveBack();
    }
  }

  async rollback(): Promise<void> {
    await this.connection.endTransaction();
    this.#giveBack();
  }
}

/** Savepoints of one name nest: the innermost is meant. */
class Savepoint extends Stretch {
  /** Restores the policy of the transaction around it. */
  readonly #restore: string;

  constructor(connection: Connection, policy: Policy, restore: string) {
    super(connection, policy);
    this.#restore = restore;
  }

  async commit(): Promise<void> {
    await this.connection.script(`${this.#restore} RELEASE section`);
  }

  async rollback(): Promise<void> {
    try {
      await this.connection.script(`${this.#restore} ROLLBACK TO section; RELEASE section`);
    } catch {
      // An error that ended the whole transaction has ended this stretch too; what comes next is refused.
      await this.connection.endTransaction();
    }
  }
}
