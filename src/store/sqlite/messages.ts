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
 * Statements of our own, several in one text. Errors may end a transaction: while none is open `scriptInside` fails, and
 * `scriptUnlessIdle` does nothing.
 */
export interface ScriptRequest {
  readonly op: 'script' | 'scriptInside' | 'scriptUnlessIdle';
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
