/**
 * The thread's side of an SQLite store: its connections, one statement after the other. SQLite's calls are synchronous and
 * wait for the disk and other processes; here they delay only the connections of this thread.
 */
import { isMainThread, parentPort } from 'node:worker_threads';
import { loadPackage } from '../../option/optional-package.js';
import { holdsSeveral } from '../statements.js';
import { StoreError } from '../store-error.js';
import { type Answer, type ErrorRecord, type Executed, type ExecuteRequest, UNDONE } from './messages.js';
import type { OpenRequest, Question, Request } from './messages.js';

/** The used parts of node:sqlite and \@photostructure/sqlite. */
interface Database {
  readonly isTransaction: boolean;
  prepare(sql: string): Statement;
  exec(sql: string): void;
  close(): void;
}

interface Statement {
  columns(): readonly unknown[];
  all(...parameters: readonly unknown[]): Record<string, unknown>[];
  setReadBigInts(enabled: boolean): void;
  run(...parameters: readonly unknown[]): { changes: number | bigint; lastInsertRowid: number | bigint };
}

type DatabaseClass = new (file: string, options: { readOnly: boolean }) => Database;

interface Connection {
  readonly database: Database;
  /** Prepared statements by their text, the least recently used first. */
  readonly statements: Map<string, Statement>;
}

/**
 * Per connection: enough for a program, few enough for one that writes values into its texts. None with the SQLite of
 * Node 22, whose statements keep the old columns after a change of a table.
 */
const MAX_STATEMENTS = process.versions.node.startsWith('22.') ? 0 : 200;

const connections = new Map<number, Connection>();
let databaseClass: Promise<DatabaseClass> | undefined;

async function loadDatabase(): Promise<DatabaseClass> {
  const own = await ownDatabase();
  if (own !== undefined) return own;
  const { DatabaseSync } = await loadPackage(
    '@photostructure/sqlite',
    `an SQLite store on Node ${process.versions.node}`,
    () => import('@photostructure/sqlite'),
    StoreError,
  );
  return DatabaseSync;
}

const OWN = ['node', 'sqlite'].join(':');

/** Node's own, in versions that have `isTransaction` and `columns`. */
async function ownDatabase(): Promise<DatabaseClass | undefined> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 24 && !(major === 22 && minor >= 16)) return undefined;
  // Not a literal, which the types of Node 20 do not know.
  const { DatabaseSync } = (await import(OWN)) as { DatabaseSync: DatabaseClass };
  return DatabaseSync;
}

async function open({ connection, file, readOnly, script }: OpenRequest): Promise<undefined> {
  databaseClass ??= loadDatabase();
  const database = new (await databaseClass)(file, { readOnly });
  try {
    database.exec(script);
  } catch (error) {
    database.close();
    throw error;
  }
  connections.set(connection, { database, statements: new Map() });
}

function execute({ connection, sql, parameters }: ExecuteRequest): Executed {
  const statement = prepared(inTransaction(connection), sql);
  if (statement.columns().length > 0) return { rows: statement.all(...parameters).map(withNumbers) };
  const { changes, lastInsertRowid } = statement.run(...parameters);
  return { rows: [], changes, insertId: lastInsertRowid };
}

/** Integers as numbers where those hold them exactly. */
function withNumbers(row: Record<string, unknown>): Record<string, unknown> {
  for (const [column, value] of Object.entries(row)) {
    if (typeof value === 'bigint' && Number.isSafeInteger(Number(value))) row[column] = Number(value);
  }
  return row;
}

/**
 * - `ERR_SEVERAL_STATEMENTS` (Error): the text contains several statements. None of them was run. Execute one at a
 *   time.
 */
function prepared({ database, statements }: Connection, sql: string): Statement {
  const known = statements.get(sql);
  if (known === undefined && holdsSeveral(sql)) {
    throw Object.assign(new Error(`several statements in one text: ${sql}`), { code: 'ERR_SEVERAL_STATEMENTS' });
  }
  const statement = known ?? database.prepare(sql);
  statement.setReadBigInts(true);
  statements.delete(sql);
  statements.set(sql, statement);
  for (const oldest of statements.keys()) {
    if (statements.size <= MAX_STATEMENTS) break;
    statements.delete(oldest);
  }
  return statement;
}

function connectionOf(id: number): Connection {
  const connection = connections.get(id);
  if (connection === undefined) throw new Error(`no connection ${String(id)}`);
  return connection;
}

/** Outside a transaction a statement would be kept at once, and a savepoint would begin one. */
function inTransaction(id: number): Connection {
  const connection = connectionOf(id);
  if (connection.database.isTransaction) return connection;
  throw Object.assign(new Error('an earlier error has made SQLite undo the transaction'), { code: UNDONE });
}

async function answer(request: Request): Promise<Executed | undefined> {
  switch (request.op) {
    case 'open':
      return open(request);
    case 'execute':
      return execute(request);
    case 'begin':
      connectionOf(request.connection).database.exec(request.script);
      return undefined;
    case 'inside':
      inTransaction(request.connection).database.exec(request.script);
      return undefined;
    case 'end': {
      const { database } = connectionOf(request.connection);
      if (database.isTransaction) database.exec(request.script);
      return undefined;
    }
    case 'close': {
      const known = connections.get(request.connection);
      connections.delete(request.connection);
      known?.database.close();
      return undefined;
    }
    default:
      return request satisfies never;
  }
}

/** Result codes by message: \@photostructure/sqlite reports only messages for statements that return rows. */
const ERRCODES: ReadonlyMap<string, number> = new Map([
  ['database is locked', 5],
  ['attempt to write a readonly database', 8],
]);

function recordOf(thrown: unknown): ErrorRecord {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const { code, errcode = ERRCODES.get(error.message) } = error as { code?: unknown; errcode?: unknown };
  return {
    name: error.name,
    message: error.message,
    stack: error.stack,
    code: typeof code === 'string' ? code : undefined,
    errcode: typeof errcode === 'number' ? errcode : undefined,
  };
}

if (isMainThread || parentPort === null) throw new Error('sqlite-thread is the entry of a worker thread');
const port = parentPort;

port.on('message', ({ id, request }: Question) => {
  answer(request).then(
    value => port.postMessage({ id, value } satisfies Answer),
    (error: unknown) => port.postMessage({ id, error: recordOf(error) } satisfies Answer),
  );
});
