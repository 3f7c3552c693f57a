/** Checks tokens: each check reads the store, and any stranger can cause one. */
import { createHash } from 'node:crypto';
import type { Clock } from '../../wait/clock.js';
import { RateLimit } from './rate-limit.js';
import { Recent } from './recent.js';
import { noToken, tooMany } from './refusal.js';

/** Per address: a stranger shuts out only unseen tokens from the same address. */
const FAILED_PER_MINUTE = 600;
const MAX_GOOD = 10_000;

export class TokenLooks {
  readonly #hostnameOfToken: (token: string) => Promise<string | undefined>;
  readonly #failed: RateLimit;
  /** Shards of valid tokens, by hash. These tokens are checked again, but not counted. */
  readonly #good = new Recent<string, string>(MAX_GOOD);

  constructor(hostnameOfToken: (token: string) => Promise<string | undefined>, clock: Clock) {
    this.#hostnameOfToken = hostnameOfToken;
    this.#failed = new RateLimit(FAILED_PER_MINUTE, clock);
  }

  /** The token's shard at its last check; does not read the store. */
  lastHostnameOf(token: string): string | undefined {
    return this.#good.get(hashOf(token));
  }

  /** Rejects with a Refusal for an unknown token, and unchecked after too many of those from the address. */
  async hostnameOf(token: string, address: string): Promise<string> {
    const hash = hashOf(token);
    const isCounted = this.#good.get(hash) === undefined;
    const waitMs = isCounted ? this.#failed.take(address) : 0;
    if (waitMs > 0) throw tooMany('ERR_TOO_MANY_TOKENS', 'too many unknown tokens came from this address', waitMs);
    let isUnknown = false;
    try {
      const hostname = await this.#hostnameOfToken(token);
      isUnknown = hostname === undefined;
      if (hostname !== undefined) {
        this.#good.set(hash, hostname);
        return hostname;
      }
    } finally {
      // Taken before the check, or many at once would all be checked.
      if (isCounted && !isUnknown) this.#failed.giveBack(address);
    }
    this.#good.delete(hash);
    throw noToken('ERR_TOKEN_UNKNOWN', 'no shard has this token');
  }
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}
