/** Names looked up for a datagram socket, which would otherwise ask for each datagram. */
import type { SocketOptions } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

const TTL_MS = 60_000;
/** A lookup that fails can take seconds of a libuv thread, which files and keys wait for too: so it is tried rarely. */
const FAILURE_TTL_MS = 5_000;

interface Answer {
  readonly address: Promise<string>;
  /** Infinity while it is being looked up, so that there is one lookup at a time. */
  expiresMs: number;
}

/** For a socket's `lookup` option: IPv4 addresses, remembered for a minute, and failures for five seconds. */
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
    // The address that the socket itself is bound to comes this way too.
    if (isIP(name) !== 0) {
      callback(null, name, isIP(name));
      return;
    }
    addressOf(name).then(
      address => {
        callback(null, address, 4);
      },
      (error: unknown) => {
        callback(error as NodeJS.ErrnoException, '', 4);
      },
    );
  };
}
