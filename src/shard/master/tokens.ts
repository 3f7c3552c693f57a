/** Tokens that shards show to say who they are. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chunksOf } from '../records/chunks.js';
import type { Moment } from '../records/farm-tables.js';
import type { FarmWriter } from '../records/rows.js';
import type { FarmReader } from '../records/serialize.js';
import { takeIds } from './ids.js';
import { findShard } from './named.js';

/** A token as it is listed: the token itself is kept nowhere. */
export interface ListedToken {
  /** The number in the token: `drone-shard_7_…`. */
  readonly id: number;
  readonly createdOn: Moment;
}

const SECRET_BYTES = 32;
/** So that a token is known for what it is where it should not be, as in a log or a repository. */
const PREFIX = 'drone-shard';
const TOKEN = new RegExp(`^${PREFIX}_([1-9]\\d{0,9})_[\\w-]{43}$`);

export async function createToken(tx: FarmWriter, hostname: string): Promise<string> {
  const shard = await findShard(tx, hostname);
  const nextId = await takeIds(tx, 'farm_shard_token', 1);
  const id = nextId();
  const token = `${PREFIX}_${String(id)}_${randomBytes(SECRET_BYTES).toString('base64url')}`;
  const row = {
    id,
    shard_id: shard.id,
    token_hash: hashOf(token).toString('hex'),
    created_on: new Date().toISOString(),
  };
  await tx.insertInto('farm_shard_token').values(row).execute();
  return token;
}

export async function listTokens(db: FarmReader, hostname: string): Promise<ListedToken[]> {
  const shard = await findShard(db, hostname);
  const rows = await db
    .selectFrom('farm_shard_token')
    .select(['id', 'created_on'])
    .where('shard_id', '=', shard.id)
    .orderBy('id')
    .execute();
  return rows.map(({ id, created_on }) => ({ id, createdOn: created_on }));
}

/** Resolves with how many were revoked. */
export async function revokeTokens(tx: FarmWriter, hostname: string, ids?: readonly number[]): Promise<number> {
  const shard = await findShard(tx, hostname);
  const revoking = tx.deleteFrom('farm_shard_token').where('shard_id', '=', shard.id);
  if (ids === undefined) return Number((await revoking.executeTakeFirstOrThrow()).numDeletedRows);
  let revoked = 0;
  for (const some of chunksOf(ids)) {
    revoked += Number((await revoking.where('id', 'in', some).executeTakeFirstOrThrow()).numDeletedRows);
  }
  return revoked;
}

/**
 * Found by the token's number, which is no secret, and compared in constant time. A hash made to be slow would keep
 * somebody who has read the table from trying likely passwords; of 256 random bits none is likelier than another.
 */
export async function hostnameOfToken(db: FarmReader, token: string): Promise<string | undefined> {
  const id = Number(TOKEN.exec(token)?.[1] ?? NaN);
  if (!(id < 2 ** 31)) return undefined;
  const row = await db
    .selectFrom('farm_shard_token as token')
    .innerJoin('farm_shard as shard', 'shard.id', 'token.shard_id')
    .select(['shard.hostname', 'token.token_hash'])
    .where('token.id', '=', id)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return timingSafeEqual(hashOf(token), Buffer.from(row.token_hash, 'hex')) ? row.hostname : undefined;
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
