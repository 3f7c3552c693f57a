/**
 * What a server says before the handshake is done: lines in front of its version, such as "Exceeded MaxStartups", and the
 * algorithms that it offers. ssh2 drops both, and they are the reason when the handshake fails.
 */
import type { Duplex } from 'node:stream';
import type { Client } from 'ssh2';
import { oneLine } from '../../../report/untrusted-text.js';
import { internalsOf } from './ssh2.js';

export const NO_CERTIFICATES = '; certificates are not supported';
/** Enough for a message. */
const KEPT_BYTES = 1024;

export class ServerWords {
  readonly #stream: Duplex;
  #received = Buffer.alloc(0);
  readonly #offered = new Map<string, string>();
  #client: Client | undefined;

  constructor(stream: Duplex) {
    this.#stream = stream;
  }

  /** ssh2's debug function; called for each message until `stop`. */
  readonly note = (line: string): void => {
    const [, what, names] = /^Handshake: \(remote\) ([^:]+): (.*)$/.exec(line) ?? [];
    if (what !== undefined && names !== undefined) this.#offered.set(what.toLowerCase(), names);
  };

  /** Called when ssh2 has paused the stream, so that this does not set it going. */
  listen(client: Client): void {
    this.#client = client;
    this.#stream.on('data', this.#onData);
  }

  stop(): void {
    this.#stream.off('data', this.#onData);
    if (this.#client) internalsOf(this.#client)._protocol._debug = undefined;
  }

  /** A part of the message of a handshake that failed with `error`, ssh2's text. */
  about(error: string): string {
    const [, what = ''] = /no matching (.+)$/.exec(error) ?? [];
    const offered = this.#offered.get(NAMES.get(what) ?? what.toLowerCase());
    if (offered === undefined) return this.#greeting;
    const names = offered.split(',');
    const isCertified = what === 'host key format' && names.every(name => name.includes('-cert-v0'));
    const mend = isCertified ? NO_CERTIFICATES : '';
    return `; the server offers: ${oneLine(names.join(', '))}${mend}`;
  }

  readonly #onData = (chunk: Buffer): void => {
    const room = KEPT_BYTES - this.#received.length;
    if (room > 0) this.#received = Buffer.concat([this.#received, chunk.subarray(0, room)]);
  };

  /** The lines in front of the version. */
  get #greeting(): string {
    const text = this.#received.toString('utf8');
    const end = /^SSH-/m.exec(text)?.index ?? text.length;
    const words = oneLine(text.slice(0, end));
    return words === '' ? '' : `; it said: ${words}`;
  }
}

/** Where ssh2 has two names for a list. */
const NAMES = new Map([['key exchange algorithm', 'kex method']]);
