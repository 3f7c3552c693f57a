/** A transaction on an SQLite connection, and the stretches inside of it, which are savepoints. */
import type { CompiledQuery, QueryResult } from 'kysely';
import type { Policy, Transaction } from '../engine.js';
import type { Connection } from './sqlite-connection.js';

export class SqliteTransaction implements Transaction {
  readonly #connection: Connection;
  readonly #policy: Policy;
  readonly #giveBack: () => void;

  constructor(connection: Connection, policy: Policy, giveBack: () => void) {
    this.#connection = connection;
    this.#policy = policy;
    this.#giveBack = giveBack;
  }

  execute(query: CompiledQuery): Promise<QueryResult<unknown>> {
    return execute(this.#connection, query);
  }

  nest(policy: Policy): Promise<Transaction> {
    return Stretch.begin(this.#connection, this.#policy, policy, 1);
  }

  async commit(): Promise<void> {
    try {
      await this.#connection.script('COMMIT');
    } catch (error) {
      await this.#connection.endTransaction();
      throw error;
    } finally {
      this.#giveBack();
    }
  }

  async rollback(): Promise<void> {
    await this.#connection.endTransaction();
    this.#giveBack();
  }
}

class Stretch implements Transaction {
  readonly #connection: Connection;
  readonly #policy: Policy;
  readonly #depth: number;
  /** What the policy of the transaction around it needs to hold again. */
  readonly #restore: string;

  private constructor(connection: Connection, outer: Policy, policy: Policy, depth: number) {
    this.#connection = connection;
    this.#policy = policy;
    this.#depth = depth;
    this.#restore = outer === policy ? '' : 'PRAGMA query_only = 0;';
  }

  static async begin(connection: Connection, outer: Policy, policy: Policy, depth: number): Promise<Stretch> {
    const stretch = new Stretch(connection, outer, policy, depth);
    const change = outer === policy ? '' : 'PRAGMA query_only = 1;';
    await connection.script(`SAVEPOINT ${stretch.#name}; ${change}`);
    return stretch;
  }

  execute(query: CompiledQuery): Promise<QueryResult<unknown>> {
    return execute(this.#connection, query);
  }

  nest(policy: Policy): Promise<Transaction> {
    return Stretch.begin(this.#connection, this.#policy, policy, this.#depth + 1);
  }

  async commit(): Promise<void> {
    await this.#connection.script(`${this.#restore} RELEASE ${this.#name}`);
  }

  async rollback(): Promise<void> {
    try {
      await this.#connection.script(`${this.#restore} ROLLBACK TO ${this.#name}; RELEASE ${this.#name}`);
    } catch {
      // An error that ended the whole transaction has ended this stretch too; what comes next is refused.
      await this.#connection.endTransaction();
    }
  }

  get #name(): string {
    return `section_${String(this.#depth)}`;
  }
}

async function execute(connection: Connection, { sql, parameters }: CompiledQuery): Promise<QueryResult<unknown>> {
  const { rows, changes, insertId } = await connection.execute(sql, parameters);
  return {
    rows,
    ...(changes === undefined ? {} : { numAffectedRows: BigInt(changes) }),
    ...(insertId === undefined ? {} : { insertId: BigInt(insertId) }),
  };
}
