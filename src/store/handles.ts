/** The handles of sections. At run time both are a Kysely of the section's own. */
import type { Expression, Kysely } from 'kysely';

/** Belongs to the store: a section is one transaction, on one connection. */
type OfTheStore =
  | 'connection'
  | 'destroy'
  | 'isTransaction'
  | 'startTransaction'
  | 'transaction'
  | 'withoutPlugins'
  | 'withPlugin'
  | 'withSchema'
  | 'withTables'
  | typeof Symbol.asyncDispose;

/**
 * Reads and writes in one transaction: Kysely without methods that begin, end or leave it. Raw SQL:
 * ``sql`…`.execute(tx)``.
 */
export interface ReadWriteDb<DB> extends Omit<Kysely<DB>, OfTheStore> {
  /** As in Kysely. */
  withSchema(schema: string): ReadWriteDb<DB>;
}

/** Reads the tables `DB`, including common table expressions. */
export interface ReadCreator<DB> extends Pick<Kysely<DB>, 'selectFrom' | 'selectNoFrom'> {
  /** As in Kysely, for expressions that read. */
  with<N extends string, Row>(
    name: N,
    expression: (creator: ReadCreator<DB>) => Expression<Row>,
  ): ReadCreator<DB & Record<TableName<N>, Row>>;
}

/** `person` of `person(id, name)`. */
export type TableName<N extends string> = N extends `${infer Table}(${string})` ? Table : N;

/**
 * Reads in one snapshot: it has no method that writes, and the database refuses writes. Raw SQL:
 * ``sql`…`.execute(db)``.
 */
export interface ReadDb<DB>
  extends ReadCreator<DB>, Pick<Kysely<DB>, 'case' | 'dynamic' | 'fn' | 'getExecutor' | 'introspection'> {
  /** As in Kysely. */
  withSchema(schema: string): ReadDb<DB>;
}
