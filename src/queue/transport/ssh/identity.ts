/** Private keys from files, parsed once per thread; those with a passphrase once it is known. */
import { createPrivateKey, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { ParsedKey } from 'ssh2';
import { oneLine } from '../../../report/untrusted-text.js';
import { fingerprintOf } from '../fingerprint.js';
import { FileCache } from './file-cache.js';
import { foreignFormat, isPem, readPem } from './key-formats.js';
import { keyTypeOf } from './known-hosts.js';
import { loadSsh2 } from './ssh2.js';

type Parse = (passphrase?: string) => ParsedKey;

export class Identity {
  /** Undefined when it has a passphrase. */
  readonly key: ParsedKey | undefined;
  /** Also of a key with a passphrase; undefined when neither the file nor `<file>.pub` has it. */
  readonly publicKey: ParsedKey | undefined;
  readonly #parse: Parse;
  /** By a hash of the passphrase. */
  readonly #opened = new Map<string, ParsedKey | Error>();

  constructor(key: ParsedKey | undefined, publicKey: ParsedKey | undefined, parse: Parse) {
    this.key = key;
    this.publicKey = publicKey;
    this.#parse = parse;
  }

  /** Opens a key that has a passphrase. Throws when this one does not fit. */
  open(passphrase: string): ParsedKey {
    // Each trial takes this thread a tenth of a second or more, by design.
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

/** Rejects with an Error that says why the file is useless. */
export async function loadIdentity(path: string): Promise<Identity> {
  try {
    return await identities.get(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    throw code === undefined ? error : new Error(`cannot be read: ${code}`, { cause: error });
  }
}

/** The public part of a key; undefined where there is none. */
export async function publicKeyOf(path: string): Promise<ParsedKey | undefined> {
  try {
    const { publicKey } = await loadIdentity(path);
    if (publicKey) return publicKey;
  } catch {
    // The public part may exist all the same; the login reports the private key's error.
  }
  return readPublicKey(path);
}

async function parse(text: Buffer, path: string): Promise<Identity> {
  const { utils } = await loadSsh2();
  const parseOne = (contents: Buffer | string, passphrase?: string): ParsedKey | Error => {
    const parsed = utils.parseKey(contents, passphrase);
    // The type says one key; the OpenSSH format may hold several, of which ssh also uses the first.
    const key = Array.isArray(parsed) ? (parsed[0] as ParsedKey | undefined) : parsed;
    return key ?? new Error('it is empty');
  };
  const parseText: Parse = passphrase => {
    let key = parseOne(text, passphrase);
    if (key instanceof Error && !isLocked(key) && isPem(text)) key = parseOne(readPem(text, passphrase));
    if (key instanceof Error) throw passphrase === undefined ? key : new Error('the passphrase is wrong');
    if (!key.isPrivateKey()) throw new Error(isCertificate(text) ? CERTIFICATE : 'holds a public key only');
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
    if (!isLocked(error as Error)) {
      const type = keyTypeOf(publicBlobOf(text) ?? Buffer.alloc(0));
      const what = foreignFormat(text, path) ?? (type?.startsWith('sk-') === true ? securityKey(type) : undefined);
      throw new Error(what ?? 'is not a private key in a supported format', { cause: error });
    }
  }
  const blob = publicBlobOf(text);
  const parsed = blob && utils.parseKey(blob);
  const publicKey = parsed === undefined || parsed instanceof Error ? await readPublicKey(path) : parsed;
  return new Identity(undefined, publicKey, parseText);
}

function isLocked({ message }: Error): boolean {
  return /encrypted/i.test(message);
}

const CERTIFICATE = 'holds a certificate, and certificates are not supported';

function isCertificate(text: Buffer): boolean {
  return /^\s*[\w-]+-cert-v0[01]@openssh\.com\s/.test(text.toString('latin1', 0, 256));
}

function securityKey(type: string): string {
  return `holds a security key (${oneLine(type)}), which is not supported`;
}

/** Reads it from the file beside `path`, or from `path` itself if that holds a public key. */
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

/** ssh2 parses the PEM text for each signature, which takes ten times as long as signing. */
function withQuickSign(key: ParsedKey): ParsedKey {
  const privateKey = createPrivateKey(key.getPrivatePEM());
  const usualHash = HASH_OF_TYPE[key.type] ?? null;
  return Object.assign(key, {
    // ssh2 treats a returned Error as a failed attempt; a thrown one would end the connection.
    sign: (data: Buffer | string, hash?: string) => {
      try {
        return sign(hash ?? usualHash, typeof data === 'string' ? Buffer.from(data) : data, privateKey);
      } catch (error) {
        return error as Error;
      }
    },
  });
}

/** ed25519 has its hash inside of the algorithm. */
const HASH_OF_TYPE: Readonly<Record<string, string>> = {
  'ssh-rsa': 'sha1',
  'ecdsa-sha2-nistp256': 'sha256',
  'ecdsa-sha2-nistp384': 'sha384',
  'ecdsa-sha2-nistp521': 'sha512',
};

/** The wire form of its public key. */
export function blobOf(key: ParsedKey): string {
  return key.getPublicSSH().toString('base64');
}
