/** Looks at whose token it is: each reads the store, and anybody may ask for one. */
import { createHash } from 'node:crypto';
import type { Clock } from '../../wait/clock.js';
import { RateLimit } from './rate-limit.js';
import { Recent } from './recent.js';
import { noToken, tooMany } from './refusal.js';

/** By address, so that a stranger shuts out nobody but those who come the same way with a token that was not seen yet. */
const FAILED_PER_MINUTE = 600;
const MAX_GOOD = 10_000;

export class TokenLooks {
  readonly #hostnameOfToken: (token: string) => Promise<string | undefined>;
  readonly #failed: RateLimit;
  /** Whose they were when they came last, by their hashes. They are looked at again, and not counted. */
  readonly #good = new Recent<string, string>(MAX_GOOD);

  constructor(hostnameOfToken: (token: string) => Promise<string | undefined>, clock: Clock) {
    this.#hostnameOfToken = hostnameOfToken;
    this.#failed = new RateLimit(FAILED_PER_MINUTE, clock);
  }

  /** Whose it was when it came last, if it was somebody's: asked of no store. */
  lastHostnameOf(token: string): string | undefined {
    return this.#good.get(hashOf(token));
  }

  /** Rejects with a Refusal for a token that is nobody's, and unseen where too many of those came from the address. */
  async hostnameOf(token: string, address: string): Promise<string> {
    const hash = hashOf(token);
    const isCounted = this.#good.get(hash) === undefined;
    const waitMs = isCounted ? this.#failed.take(address) : 0;
    if (waitMs > 0) throw tooMany('ERR_TOO_MANY_TOKENS', 'too many tokens of no shard came from this address', waitMs);
    const hostname = await this.#look(token, isCounted ? address : undefined);
    if (hostname !== undefined) {
      this.#good.set(hash, hostname);
      return hostname;
    }
    this.#good.delete(hash);
    throw noToken('ERR_TOKEN_UNKNOWN', 'the token is that of no shard');
  }

  async #look(token: string, countedFor: string | undefined): Promise<string | undefined> {
    let isNobodys = false;
    try {
      const hostname = await this.#hostnameOfToken(token);
      isNobodys = hostname === undefined;
      return hostname;
    } finally {
      // Taken before the look, so that many at once do not all get one.
      if (countedFor !== undefined && !isNobodys) this.#failed.giveBack(countedFor);
    }
  }
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}
