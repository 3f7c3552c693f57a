/** Private keys from files, read and parsed once per thread; those with a passphrase, once it is known. */
import { createPrivateKey, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { ParsedKey } from 'ssh2';
import { fingerprintOf } from '../fingerprint.js';
import { FileCache } from './file-cache.js';
import { loadSsh2 } from './ssh2.js';

type Parse = (passphrase?: string) => ParsedKey;

/** A private key file. */
export class Identity {
  /** The key, unless it has a passphrase. */
  readonly key: ParsedKey | undefined;
  /** Its public part, also of a key with a passphrase; undefined where neither the file nor `<file>.pub` tells it. */
  readonly publicKey: ParsedKey | undefined;
  readonly #parse: Parse;
  /** By passphrase, which is not kept itself. */
  readonly #opened = new Map<string, ParsedKey | Error>();

  constructor(key: ParsedKey | undefined, publicKey: ParsedKey | undefined, parse: Parse) {
    this.key = key;
    this.publicKey = publicKey;
    this.#parse = parse;
  }

  /** Opens a key that has a passphrase. Throws when this is not the one. */
  open(passphrase: string): ParsedKey {
    // To try one takes a tenth of a second and more of this thread, by design.
    const name = fingerprintOf({ passphrase });
    let opened = this.#opened.get(name);
    if (opened === undefined) {
      try {
        opened = this.#parse(passphrase);
      } catch (error) {
        opened = error as Error;
      }
      this.#opened.set(name, opened);
    }
    if (opened instanceof Error) throw opened;
    return opened;
  }
}

const identities = new FileCache(parse);

/** Reads what has changed since the last time. Rejects with an Error that says why the file is of no use. */
export async function loadIdentity(path: string): Promise<Identity> {
  try {
    return await identities.get(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    throw code === undefined ? error : new Error(`cannot be read: ${code}`, { cause: error });
  }
}

/** The public part of a key, wherever it is to be found; undefined where it is not. */
export async function publicKeyOf(path: string): Promise<ParsedKey | undefined> {
  try {
    const { publicKey } = await loadIdentity(path);
    if (publicKey) return publicKey;
  } catch {
    // Whatever is wrong with the private key, its public part may be there; the login tells of the former.
  }
  return readPublicKey(path);
}

async function parse(text: Buffer, path: string): Promise<Identity> {
  const { utils } = await loadSsh2();
  const parseText: Parse = passphrase => {
    const parsed = utils.parseKey(text, passphrase);
    // ssh2's type says one key; the OpenSSH format may hold several, of which ssh uses the first, too.
    const key = Array.isArray(parsed) ? (parsed[0] as ParsedKey | undefined) : parsed;
    if (key instanceof Error && passphrase !== undefined) throw new Error('the passphrase does not fit');
    if (key === undefined || key instanceof Error) throw key ?? new Error('it is empty');
    if (!key.isPrivateKey()) throw new Error('holds a public key only');
    try {
      return withQuickSign(key);
    } catch (error) {
      throw new Error('holds a key that cannot be used', { cause: error });
    }
  };
  try {
    const key = parseText();
    return new Identity(key, key, parseText);
  } catch (error) {
    const { message } = error as Error;
    if (message.startsWith('holds ')) throw error;
    if (!/encrypted/i.test(message)) throw new Error('is no private key in a supported format', { cause: error });
  }
  const blob = publicBlobOf(text);
  const parsed = blob && utils.parseKey(blob);
  const publicKey = parsed === undefined || parsed instanceof Error ? await readPublicKey(path) : parsed;
  return new Identity(undefined, publicKey, parseText);
}

/** From `path` itself, if it holds a public key, or from the file beside it. */
async function readPublicKey(path: string): Promise<ParsedKey | undefined> {
  const { utils } = await loadSsh2();
  for (const each of [`${path}.pub`, path]) {
    const text = await readFile(each).catch(() => undefined); // not there, or not for us: then it tells nothing
    const key = text && utils.parseKey(text);
    if (key && !(key instanceof Error) && !key.isPrivateKey()) return key;
  }
  return undefined;
}

const OPENSSH_MAGIC = 'openssh-key-v1\0';

/** The OpenSSH format holds the public part in clear: magic, cipher, kdf, its options, number of keys, public key. */
function publicBlobOf(text: Buffer): Buffer | undefined {
  const base64 = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/.exec(text.toString('latin1'))?.[1];
  const bytes = Buffer.from(base64 ?? '', 'base64');
  if (bytes.toString('latin1', 0, OPENSSH_MAGIC.length) !== OPENSSH_MAGIC) return undefined;
  let at = OPENSSH_MAGIC.length;
  const skip = (): number => (at += 4 + (at + 4 <= bytes.length ? bytes.readUInt32BE(at) : bytes.length));
  skip();
  skip();
  skip();
  at += 4;
  const from = at + 4;
  return skip() <= bytes.length ? bytes.subarray(from, at) : undefined;
}

/** ssh2 parses the PEM text anew for each signature, which takes ten times longer than to sign. */
function withQuickSign(key: ParsedKey): ParsedKey {
  const privateKey = createPrivateKey(key.getPrivatePEM());
  const usualHash = HASH_OF_TYPE[key.type] ?? null;
  return Object.assign(key, {
    // ssh2 takes a returned Error for an attempt that could not be made; a thrown one would end the connection.
    sign: (data: Buffer | string, hash?: string) => {
      try {
        return sign(hash ?? usualHash, typeof data === 'string' ? Buffer.from(data) : data, privateKey);
      } catch (error) {
        return error as Error;
      }
    },
  });
}

/** ed25519 has its own, inside of the algorithm. */
const HASH_OF_TYPE: Readonly<Record<string, string>> = {
  'ssh-rsa': 'sha1',
  'ecdsa-sha2-nistp256': 'sha256',
  'ecdsa-sha2-nistp384': 'sha384',
  'ecdsa-sha2-nistp521': 'sha512',
};
