/** Finds rows by the names that users give. */
import { readInChunks } from '../records/chunks.js';
import { anyTablesToRead, type FarmReader } from '../records/farm-store.js';
import type { ShardRow } from '../records/farm-tables.js';
import { type RecordRows, TABLES } from '../records/record-fields.js';
import { MasterError } from '../wire/master-error.js';

const NAME_COLUMNS = {
  host: 'hostname',
  label: 'name',
  'acl group': 'name',
  user: 'login',
  shard: 'hostname',
} as const;

type Named = keyof typeof NAME_COLUMNS;

/** Rows by name; removed hosts are not among them. */
export async function findAll<Kind extends Named>(
  db: FarmReader,
  kind: Kind,
  names: readonly string[],
): Promise<Map<string, RecordRows[Kind]>> {
  const column: string = NAME_COLUMNS[kind];
  const rows = await readInChunks(names, chunk => {
    const query = anyTablesToRead(db).selectFrom(TABLES[kind]).selectAll().where(column, 'in', chunk);
    return (kind === 'host' ? query.where('invalid', '=', 0) : query).execute();
  });
  return new Map(rows.map(row => [row[column] as string, row as unknown as RecordRows[Kind]]));
}

/** Throws a MasterError (`ERR_NOT_FOUND`). */
export async function findOne<Kind extends Exclude<Named, 'shard'>>(
  db: FarmReader,
  kind: Kind,
  name: string,
): Promise<RecordRows[Kind]> {
  return wanted(kind, name, (await findAll(db, kind, [name])).get(name));
}

/** Throws a MasterError (`ERR_UNKNOWN_SHARD`). */
export async function findShard(db: FarmReader, hostname: string): Promise<ShardRow> {
  const row = (await findAll(db, 'shard', [hostname])).get(hostname);
  if (row === undefined) throw new MasterError('ERR_UNKNOWN_SHARD', `there is no shard '${hostname}'`);
  return row;
}

/** Resolves with a function from name to id, which throws a MasterError (`ERR_NOT_FOUND`) for a missing name. */
export async function idsByName(
  db: FarmReader,
  kind: Exclude<Named, 'shard'>,
  names: Iterable<string>,
): Promise<(name: string) => number> {
  const rows = await findAll(db, kind, [...new Set(names)]);
  return name => wanted(kind, name, rows.get(name)).id;
}

/** Throws a MasterError (`ERR_EXISTS`). */
export async function refuseTaken(db: FarmReader, kind: Named, name: string): Promise<void> {
  if ((await findAll(db, kind, [name])).size > 0) throw alreadyThere(kind, name);
}

export function alreadyThere(kind: Named, name: string): MasterError {
  const article = kind === 'acl group' ? 'an' : 'a';
  return new MasterError('ERR_EXISTS', `${article} ${kind} '${name}' already exists`);
}

/** `row`, or throws a MasterError (`ERR_NOT_FOUND`). */
export function wanted<T>(what: string, name: string, row: T | undefined): T {
  if (row === undefined) throw new MasterError('ERR_NOT_FOUND', `there is no ${what} '${name}'`);
  return row;
}
