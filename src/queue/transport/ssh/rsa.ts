/** RSA keys: their length, and the signature algorithms that a server takes of them. */
import type { ParsedKey } from 'ssh2';

const RSA = 'ssh-rsa';

/** Bits of the modulus of a key in wire form (RFC 4253, 6.6); undefined for other types and for what is damaged. */
export function rsaBitsOf(key: Buffer): number | undefined {
  const fields: Buffer[] = [];
  for (let at = 0; at + 4 <= key.length;) {
    const end = at + 4 + key.readUInt32BE(at);
    fields.push(key.subarray(at + 4, end));
    at = end;
  }
  const [type, , modulus] = fields;
  if (type?.toString('latin1') !== RSA || modulus === undefined) return undefined;
  const first = modulus.findIndex(byte => byte !== 0);
  return first < 0 ? 0 : (modulus.length - first) * 8 - Math.clz32(modulus[first] ?? 0) + 24;
}

/** Hashes of the signature algorithms of RSA keys (RFC 8332), the preferred first. */
const HASHES = new Map([
  ['rsa-sha2-512', 'sha512'],
  ['rsa-sha2-256', 'sha256'],
  [RSA, 'sha1'],
]);

/**
 * The algorithms to offer a key with, one after the other. `taken` is the server's own list, server-sig-algs. Without a
 * list, the server is most likely too old for more than SHA-1; many servers also list what they then refuse.
 */
export function signatureAlgorithms(
  type: string,
  taken: readonly string[] | undefined,
  allowed: readonly string[] | undefined,
): string[] {
  const isAllowed = (name: string): boolean => allowed?.includes(name) ?? true;
  if (type !== RSA) return [type].filter(isAllowed);
  const best = [...HASHES.keys()].filter(isAllowed);
  if (taken === undefined) return [...best.filter(name => name === RSA), ...best.filter(name => name !== RSA)];
  const listed = best.filter(name => taken.includes(name));
  // SHA-1 is for servers that have no better one.
  return listed.length > 1 ? listed.filter(name => name !== RSA) : listed;
}

/** Undefined for keys that leave no choice. */
export function hashOf(algorithm: string): string | undefined {
  return HASHES.get(algorithm);
}

/** The key as one that ssh2 offers with just this algorithm: its own choice knows no second one. */
export function offeredAs(key: ParsedKey, algorithm: string): ParsedKey {
  if (algorithm === key.type) return key;
  const hash = hashOf(algorithm);
  return Object.create(key, {
    type: { value: algorithm },
    sign: { value: (data: Buffer) => key.sign(data, hash) },
  }) as ParsedKey;
}
