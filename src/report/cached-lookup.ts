/** Caches DNS answers for a datagram socket, which would otherwise look its host up for each datagram. */
import type { SocketOptions } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

const TTL_MS = 60_000;
/** A failing lookup can block a libuv thread, which files and keys need too, for seconds: so it is retried rarely. */
const FAILURE_TTL_MS = 5_000;

interface Answer {
  readonly address: Promise<string>;
  /** Infinity during the lookup, so that one runs at a time. */
  expiresMs: number;
}

/** For a socket's `lookup` option: caches IPv4 addresses for a minute and failures for five seconds. */
export function cachedLookup(): NonNullable<SocketOptions['lookup']> {
  const answers = new Map<string, Answer>();
  const addressOf = (name: string): Promise<string> => {
    const known = answers.get(name);
    if (known !== undefined && performance.now() < known.expiresMs) return known.address;
    const answer: Answer = {
      expiresMs: Infinity,
      address: lookup(name, { family: 4 }).then(
        ({ address }) => {
          answer.expiresMs = performance.now() + TTL_MS;
          return address;
        },
        (error: unknown) => {
          answer.expiresMs = performance.now() + FAILURE_TTL_MS;
          throw error;
        },
      ),
    };
    answers.set(name, answer);
    return answer.address;
  };
  return (name, _options, callback) => {
    // The socket's own bind address comes this way too.
    if (isIP(name) !== 0) {
      callback(null, name, isIP(name));
      return;
    }
    addressOf(name).then(
      address => callback(null, address, 4),
      (error: unknown) => callback(error as NodeJS.ErrnoException, '', 4),
    );
  };
}
