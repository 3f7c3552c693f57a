/** The contract of a database for sections, which SQLite and PostgreSQL keep. */
import type { CompiledQuery, Dialect, QueryResult } from 'kysely';

/** Whether the database itself refuses to write. */
export type Policy = 'read' | 'readWrite';

/**
 * What a failure means to a section:
 * - `read-only`: a write, or an attempt to allow writes, where the policy is `read`;
 * - `conflict`: another transaction was in the way; nothing was kept, and a retry may succeed;
 * - `busy`: other processes held the database, or a lock in it, for too long; nothing was kept;
 * - `lost`: the connection or its thread is gone; a commit may have been done or not;
 * - `undone`: an earlier error made the database undo the whole transaction; nothing was kept;
 * - `statement`: the statement is at fault.
 */
export type FailureKind = 'read-only' | 'conflict' | 'busy' | 'lost' | 'undone' | 'statement';

/** An open database. */
export interface Engine {
  readonly dialect: Pick<Dialect, 'createAdapter' | 'createQueryCompiler' | 'createIntrospector'>;
  /**
   * Begins a transaction on a connection of its own. `read`: a snapshot of this moment, in which the database refuses
   * writes. `readWrite`: called one at a time; waits for other processes as the options say. Rejects with nothing left open.
   */
  begin(policy: Policy): Promise<Transaction>;
  /** The kind of an error of a transaction or of `begin`. */
  kindOf(error: unknown): FailureKind;
  /** Whether the statement, by its first words, would end the transaction or change the session beyond it. */
  refuses(sql: string): boolean;
  /** Ends the connections. Called when no transaction is open; idempotent; never rejects. */
  close(): Promise<void>;
}

/** A transaction or a stretch of one. Methods are called one after the other; after a failed statement only `rollback`. */
export interface Transaction {
  execute(query: CompiledQuery): Promise<QueryResult<unknown>>;
  /**
   * A stretch with its own policy, after which the old policy holds again. Its `commit` makes its work a part of this one,
   * its `rollback` undoes only that. This one is not used before its end.
   */
  nest(policy: Policy): Promise<Transaction>;
  /** Ends it. Rejects when nothing was kept, or when that is unknown (`lost`). */
  commit(): Promise<void>;
  /** Ends it. Never rejects: a connection that does not obey is dropped, which undoes the work too. */
  rollback(): Promise<void>;
}
