/** Tokens that authenticate shards. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chunksOf } from '../records/chunks.js';
import type { Moment } from '../records/farm-tables.js';
import type { FarmReader, FarmWriter } from '../records/farm-store.js';
import { takeId } from './ids.js';
import { findShard } from './named.js';

/** A token in a list; the token itself is not stored. */
export interface ListedToken {
  /** The number in the token: `drone-shard_7_…`. */
  readonly id: number;
  readonly createdOn: Moment;
}

const SECRET_BYTES = 32;
/** Lets a scanner recognize a token that leaked into a log or a repository. */
const PREFIX = 'drone-shard';
const TOKEN = new RegExp(`^${PREFIX}_([1-9]\\d{0,9})_[\\w-]{43}$`);

export async function createToken(tx: FarmWriter, hostname: string): Promise<string> {
  const shard = await findShard(tx, hostname);
  const id = await takeId(tx, 'farm_shard_token');
  const token = `${PREFIX}_${String(id)}_${randomBytes(SECRET_BYTES).toString('base64url')}`;
  const [token_hash, created_on] = [hashOf(token).toString('hex'), new Date().toISOString()];
  await tx.insertInto('farm_shard_token').values({ id, shard_id: shard.id, token_hash, created_on }).execute();
  return token;
}

export async function listTokens(db: FarmReader, hostname: string): Promise<ListedToken[]> {
  const shard = await findShard(db, hostname);
  return db
    .selectFrom('farm_shard_token')
    .select(['id', 'created_on as createdOn'])
    .where('shard_id', '=', shard.id)
    .orderBy('id')
    .execute();
}

/** Resolves with the number of revoked tokens. */
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

/** Finds the token by its number, which is not secret, and compares in constant time. 256 random bits need no slow hash. */
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
