/** The algorithms of ssh2, listed so that the main thread can check names without loading it. */
import { invalidArgument } from '../../../option/invalid-argument.js';
import { Option, type Table } from '../../../option/option-table.js';

/**
 * Algorithms to offer to the server, by their SSH names, in order of preference. Default: those that ssh2 prefers,
 * which exclude outdated ones.
 */
export interface AlgorithmOptions {
  readonly ciphers?: readonly string[] | undefined;
  /** Key exchange. */
  readonly kex?: readonly string[] | undefined;
  readonly macs?: readonly string[] | undefined;
  /**
   * Algorithms for the server's host key. If keys are recorded for a host, only their types among these are requested.
   */
  readonly hostKeyAlgorithms?: readonly string[] | undefined;
  /**
   * Algorithms for our own keys at a login; the order of different key types does not matter. Default: all; `ssh-rsa`
   * (SHA-1) only if the server does not announce a better one.
   */
  readonly publicKeyAlgorithms?: readonly string[] | undefined;
}

export type AlgorithmList = keyof AlgorithmOptions;

const SIGNATURES = words(`
    ssh-ed25519 ecdsa-sha2-nistp256 ecdsa-sha2-nistp384 ecdsa-sha2-nistp521 rsa-sha2-512 rsa-sha2-256 ssh-rsa`);

export const ALGORITHMS: Readonly<Record<AlgorithmList, readonly string[]>> = {
  ciphers: words(`
    aes128-gcm@openssh.com aes256-gcm@openssh.com aes128-ctr aes192-ctr chacha20-poly1305@openssh.com aes256-ctr
    aes256-cbc aes192-cbc aes128-cbc 3des-cbc aes128-gcm aes256-gcm`),
  kex: words(`
    curve25519-sha256@libssh.org curve25519-sha256 ecdh-sha2-nistp256 ecdh-sha2-nistp384 ecdh-sha2-nistp521
    diffie-hellman-group-exchange-sha256 diffie-hellman-group14-sha256 diffie-hellman-group15-sha512
    diffie-hellman-group16-sha512 diffie-hellman-group17-sha512 diffie-hellman-group18-sha512
    diffie-hellman-group-exchange-sha1 diffie-hellman-group14-sha1 diffie-hellman-group1-sha1`),
  macs: words(`
    hmac-sha2-256-etm@openssh.com hmac-sha2-512-etm@openssh.com hmac-sha1-etm@openssh.com hmac-sha2-256
    hmac-sha2-512 hmac-sha1 hmac-md5 hmac-sha2-256-96 hmac-sha2-512-96 hmac-ripemd160 hmac-sha1-96 hmac-md5-96`),
  hostKeyAlgorithms: SIGNATURES,
  publicKeyAlgorithms: SIGNATURES,
};

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

function some(field: AlgorithmList): Option<readonly string[], readonly string[] | undefined> {
  const known = ALGORITHMS[field];
  const expected = `a list of names from ${known.join(', ')}`;
  return new Option(expected, names => {
    if (names === undefined) return undefined;
    const list: readonly unknown[] = Array.isArray(names) ? names : [names];
    const unknown = list.find(name => !known.includes(name as string));
    if (list.length === 0 || unknown !== undefined) throw invalidArgument(field, unknown ?? names, expected);
    return list as readonly string[];
  });
}

/** Names that ssh2 does not have, and empty lists, are refused. */
export const ALGORITHM_LISTS = {
  ciphers: some('ciphers'),
  kex: some('kex'),
  macs: some('macs'),
  hostKeyAlgorithms: some('hostKeyAlgorithms'),
  publicKeyAlgorithms: some('publicKeyAlgorithms'),
} satisfies Table<AlgorithmOptions>;
