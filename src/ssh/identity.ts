/** Private keys from files, read and parsed once per thread. */
import { createPrivateKey, sign } from 'node:crypto';
import type { ParsedKey } from 'ssh2';
import { TransportError } from '../transport.js';
import { FileCache } from './file-cache.js';
import { loadSsh2 } from './ssh2.js';

const keys = new FileCache(parse);

/** Reads what has changed since the last time. Rejects with a TransportError (`auth`) that names the file. */
export async function loadIdentity(path: string): Promise<ParsedKey> {
  try {
    return await keys.get(path);
  } catch (error) {
    if (error instanceof TransportError) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new TransportError('auth', `identity file ${path} cannot be read: ${code}`, { cause: error });
  }
}

async function parse(text: Buffer, path: string): Promise<ParsedKey> {
  const { utils } = await loadSsh2();
  const parsed = utils.parseKey(text);
  // ssh2's type says one key; the OpenSSH format may hold several, of which ssh uses the first, too.
  const key = Array.isArray(parsed) ? (parsed[0] as ParsedKey | undefined) : parsed;
  if (key === undefined || key instanceof Error) {
    const reason = /encrypted/i.test(key?.message ?? '')
      ? 'has a passphrase, which is not supported yet; use an ssh-agent for it'
      : 'is no private key in a supported format';
    throw new TransportError('auth', `identity file ${path} ${reason}`, { cause: key });
  }
  if (!key.isPrivateKey()) throw new TransportError('auth', `identity file ${path} holds a public key only`);
  try {
    return withQuickSign(key);
  } catch (error) {
    throw new TransportError('auth', `identity file ${path} holds a key that cannot be used`, { cause: error });
  }
}

/** ssh2 parses the PEM text anew for each signature, which takes ten times longer than to sign. */
function withQuickSign(key: ParsedKey): ParsedKey {
  const privateKey = createPrivateKey(key.getPrivatePEM());
  const usualHash = HASH_OF_TYPE[key.type] ?? null;
  return Object.assign(key, {
    sign: (data: Buffer | string, hash?: string) =>
      sign(hash ?? usualHash, typeof data === 'string' ? Buffer.from(data) : data, privateKey),
  });
}

/** ed25519 has its own, inside of the algorithm. */
const HASH_OF_TYPE: Readonly<Record<string, string>> = {
  'ssh-rsa': 'sha1',
  'ecdsa-sha2-nistp256': 'sha256',
  'ecdsa-sha2-nistp384': 'sha384',
  'ecdsa-sha2-nistp521': 'sha512',
};
