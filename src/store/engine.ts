/** What a database must do for sections: the contract that SQLite and PostgreSQL keep. */
import type { CompiledQuery, Dialect, QueryResult } from 'kysely';

/** Whether the database itself refuses to write. */
export type Policy = 'read' | 'readWrite';

/**
 * What a failure means to a section:
 * - `read-only`: a write, or an attempt to become able to write, where the policy is `read`;
 * - `conflict`: another transaction was in the way; nothing was kept, and the same work may succeed when done again;
 * - `busy`: other processes held the database, or a lock in it, for too long; nothing was kept;
 * - `lost`: the connection, or the thread that holds it, is gone. At a commit it is not known whether that was done;
 * - `undone`: an earlier error made the database undo the whole transaction; nothing was kept;
 * - `statement`: anything else: the statement is at fault.
 */
export type FailureKind = 'read-only' | 'conflict' | 'busy' | 'lost' | 'undone' | 'statement';

/** An open database. */
export interface Engine {
  readonly dialect: Pick<Dialect, 'createAdapter' | 'createQueryCompiler' | 'createIntrospector'>;
  /**
   * Begins a transaction on a connection that nobody else uses until its end. `read`: a snapshot of this moment, in which
   * the database refuses to write. `readWrite` is asked for by one at a time, and waits for other processes as long as the
   * options allow. Rejects with nothing left open.
   */
  begin(policy: Policy): Promise<Transaction>;
  /** What the failure of a transaction, or of `begin`, means. */
  kindOf(error: unknown): FailureKind;
  /** Whether the statement would, as far as its first words tell, end the transaction or change the session beyond it. */
  refuses(sql: string): boolean;
  /** Ends the connections. Called when no transaction is open any more; idempotent; never rejects. */
  close(): Promise<void>;
}

/**
 * One transaction, or one stretch of it. Its methods are called one after the other. After a statement has failed only
 * `rollback` is called.
 */
export interface Transaction {
  execute(query: CompiledQuery): Promise<QueryResult<unknown>>;
  /**
   * A stretch inside of this one, with a policy of its own, at whose end the old policy holds again, whichever way it ends.
   * Its `commit` makes what it did a part of this one; its `rollback` undoes just that. Until then this one is not used.
   */
  nest(policy: Policy): Promise<Transaction>;
  /** Keeps what was done. Rejects when it was not kept, or when that is not known (`lost`). Over, either way. */
  commit(): Promise<void>;
  /** Undoes what was done. Never rejects: a connection that does not obey is dropped, which undoes it too. Over then. */
  rollback(): Promise<void>;
}
