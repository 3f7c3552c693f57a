/** What is said between the store and a thread that holds connections to an SQLite file. */

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

/**
 * Statements of our own, several in one text. Some errors make SQLite undo the whole transaction: `inside` fails then,
 * and `end` has nothing to do.
 */
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

/** What `execute` gives; of a statement that gives no rows, what it has changed. */
export interface Executed {
  readonly rows: unknown[];
  readonly changes?: number | bigint;
  readonly insertId?: number | bigint;
}

/** Code of a failure by which nothing was run: there is no transaction any more, and each statement would be its own. */
export const UNDONE = 'ERR_SQLITE_TRANSACTION_UNDONE';

/** An error, since of one only message and stack would come across. */
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
