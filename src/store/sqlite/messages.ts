/** Messages between the store and a thread with connections to an SQLite file. */

export interface OpenRequest {
  readonly op: 'open';
  readonly connection: number;
  readonly file: string;
  readonly readOnly: boolean;
  /** Run once, before anything else. */
  readonly script: string;
}

/** Fails while no transaction is open. */
export interface ExecuteRequest {
  readonly op: 'execute';
  readonly connection: number;
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** Several statements of our own. After an error that made SQLite undo the transaction, `inside` fails, and `end` does nothing. */
export interface ScriptRequest {
  readonly op: 'begin' | 'inside' | 'end';
  readonly connection: number;
  readonly script: string;
}

export interface CloseRequest {
  readonly op: 'close';
  readonly connection: number;
}

export type Request = OpenRequest | ExecuteRequest | ScriptRequest | CloseRequest;

export interface Question {
  readonly id: number;
  readonly request: Request;
}

/** The result of `execute`: rows, or what a statement without rows has changed. */
export interface Executed {
  readonly rows: unknown[];
  readonly changes?: number | bigint;
  readonly insertId?: number | bigint;
}

/**
 * Code of a statement that was not run.
 *
 * - `ERR_SQLITE_TRANSACTION_UNDONE` (`cause` of StoreError): an earlier error made SQLite roll back the transaction.
 *   Nothing is kept.
 */
export const UNDONE = 'ERR_SQLITE_TRANSACTION_UNDONE';

/** An error in full: a cloned Error has only message and stack. */
export interface ErrorRecord {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly code: string | undefined;
  /** SQLite's extended result code. */
  readonly errcode: number | undefined;
}

export type Answer =
  { readonly id: number; readonly value: Executed | undefined } | { readonly id: number; readonly error: ErrorRecord };
