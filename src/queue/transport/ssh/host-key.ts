/** Checks a server's host key before any credential is sent to it. */
import { createHash } from 'node:crypto';
import type { ServerHostKeyAlgorithm } from 'ssh2';
import { TransportError } from '../transport.js';
import { hostKeyMend } from './first-login.js';
import type { SshPoint } from './ssh-endpoint.js';
import { DEFAULT_PORT, type HostKeyFinding, KnownHosts, keyTypeOf } from './known-hosts.js';
import { addKnownHost, lockKnownHosts } from './known-hosts-file.js';
import { loadRevokedKeys, type RevokedIn } from './revoked-keys.js';
import { rsaBitsOf } from './rsa.js';
import { codeOf } from './tcp.js';

/** Key types that ssh2 can verify, with their signature algorithms, the preferred first. */
const ALGORITHMS_OF_TYPE = new Map<string, readonly ServerHostKeyAlgorithm[]>([
  ['ssh-ed25519', ['ssh-ed25519']],
  ['ecdsa-sha2-nistp256', ['ecdsa-sha2-nistp256']],
  ['ecdsa-sha2-nistp384', ['ecdsa-sha2-nistp384']],
  ['ecdsa-sha2-nistp521', ['ecdsa-sha2-nistp521']],
  ['ssh-rsa', ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa']],
]);

/** `SHA256:…` as ssh-keygen -l prints it. */
export function fingerprintOf(key: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

export class HostKeyCheck {
  readonly #point: SshPoint;
  readonly #knownHosts: KnownHosts | undefined;
  readonly #revokedIn: (key: Buffer) => RevokedIn | undefined;
  readonly #recordedTypes: readonly string[];
  #accepted: Buffer | undefined;
  #isNew = false;
  #failure: TransportError | undefined;

  private constructor(
    point: SshPoint,
    knownHosts: KnownHosts | undefined,
    revokedIn: (key: Buffer) => RevokedIn | undefined,
  ) {
    this.#point = point;
    this.#knownHosts = knownHosts;
    this.#revokedIn = revokedIn;
    this.#recordedTypes =
      namesOf(point)
        .map(({ name, port }) => knownHosts?.recordedTypes(name, port) ?? [])
        .find(types => types.length > 0) ?? [];
  }

  /** Reads the files of revoked keys, and the known_hosts files unless keys are pinned. */
  static async prepare(point: SshPoint): Promise<HostKeyCheck> {
    const revokedIn = await loadRevokedKeys(point.revokedHostKeys);
    return new HostKeyCheck(point, typeof point.hostKeys === 'string' ? await load(point) : undefined, revokedIn);
  }

  /** Prefers keys of a recorded type: a server with several would choose by its own order. */
  get algorithms(): ServerHostKeyAlgorithm[] | undefined {
    const given = this.#point.hostKeyAlgorithms as ServerHostKeyAlgorithm[] | undefined;
    const recorded = [...ALGORITHMS_OF_TYPE].flatMap(([type, names]) =>
      this.#recordedTypes.includes(type) ? names : [],
    );
    const wanted = given ? given.filter(name => recorded.includes(name)) : recorded;
    return wanted.length > 0 ? wanted : given;
  }

  get isTypeRecorded(): boolean {
    return this.#recordedTypes.length > 0;
  }

  get failure(): TransportError | undefined {
    return this.#failure;
  }

  /** Asked again when the connection changes its session keys: the key must then be the same one. */
  accepts(key: Buffer): boolean {
    if (this.#accepted)
      return this.#accepted.equals(key) || this.#refuse('changed', key, 'it presented a different one before');
    const { hostKeys, minRsaBits } = this.#point;
    const revoked = this.#revokedIn(key);
    if (revoked) return this.#refuse('revoked', key, `listed in ${placeOf(revoked)}`);
    const bits = rsaBitsOf(key);
    if (bits !== undefined && minRsaBits !== undefined && bits < minRsaBits) {
      return this.#refuse('short', key, `minRsaBits is ${String(minRsaBits)}`);
    }
    if (typeof hostKeys === 'object') {
      const { fingerprints } = hostKeys;
      if (!fingerprints.includes(fingerprintOf(key))) {
        return this.#refuse('unpinned', key, `pinned: ${fingerprints.join(', ')}`);
      }
    } else {
      const finding = this.#find(this.#knownHosts, key);
      if (finding.status === 'unknown' && hostKeys === 'accept-new') this.#isNew = true;
      else if (finding.status !== 'known') return this.#refuseFor(finding, key);
    }
    this.#accepted = Buffer.from(key);
    return true;
  }

  /**
   * Adds a new host's key to the first known_hosts file, once; called after the key exchange, when the server has
   * proved that it owns the key. Rejects with a TransportError when another connection has meanwhile recorded a
   * different key.
   */
  async record(signal: AbortSignal): Promise<void> {
    const key = this.#accepted;
    if (!this.#isNew || !key) return;
    this.#isNew = false;
    const path = this.#point.knownHosts[0] ?? '';
    const [{ name, port }] = namesOf(this.#point);
    try {
      // The second of two first connections must see what the first has written.
      await using _lock = await lockKnownHosts(path, signal);
      const finding = this.#find(await load(this.#point), key);
      if (finding.status === 'unknown') {
        await addKnownHost(path, name, port, key);
        // Other programs do not know our lock.
        const other = (await load(this.#point)).another(name, port, key);
        if (other) this.#refuseFor(other, key);
      } else this.#refuseFor(finding, key);
    } catch (error) {
      if (error instanceof TransportError) throw error;
      throw refusal('unrecorded', `new host key cannot be recorded in ${path}: ${codeOf(error)}`, error);
    }
    if (this.#failure) throw this.#failure;
  }

  refuseMissingType(): TransportError {
    this.#refuse('changed', undefined, `only keys of type ${this.#recordedTypes.join(', ')} are recorded for it`);
    return this.#failure as unknown as TransportError;
  }

  #find(knownHosts: KnownHosts | undefined, key: Buffer): HostKeyFinding {
    const findings = namesOf(this.#point).map(
      ({ name, port }) => knownHosts?.check(name, port, keyTypeOf(key) ?? '', key) ?? { status: 'unknown' as const },
    );
    return (
      findings.find(({ status }) => status === 'revoked') ??
      findings.find(({ status }) => status !== 'unknown') ?? { status: 'unknown' }
    );
  }

  #refuseFor({ status, file = '', line = 0 }: HostKeyFinding, key: Buffer): boolean {
    const place = placeOf({ file, line });
    switch (status) {
      case 'revoked':
        return this.#refuse('revoked', key, `marked so in ${place}`);
      case 'cert-authority':
        return this.#refuse('unknown', key, `${place} names a certificate authority, which is not supported`);
      case 'changed':
        return this.#refuse('changed', key, `a different one is recorded in ${place}`);
      case 'unknown':
        return this.#refuse(
          'unknown',
          key,
          `not in ${this.#point.knownHosts.join(', ') || 'any known_hosts file'}`,
          hostKeyMend(this.#point),
        );
      case 'known':
        return true;
    }
  }

  #refuse(what: Exclude<Refusal, 'unrecorded'>, key: Buffer | undefined, why: string, mend?: string): false {
    const { host, port } = this.#point;
    const server = `${host.includes(':') ? `[${host}]` : host}:${String(port)}`;
    const shown = key ? `: ${keyTypeOf(key) ?? 'key'} ${fingerprintOf(key)}` : '';
    const said = SAID[what] ?? what;
    this.#failure = refusal(
      what,
      `host key of ${server} ${said}${shown} (${why})${mend === undefined ? '' : `; ${mend}`}`,
    );
    return false;
  }
}

const SAID: Readonly<Partial<Record<Refusal, string>>> = {
  unpinned: 'does not match the pinned ones',
  short: 'is too short',
};

function placeOf({ file, line }: RevokedIn): string {
  return line === undefined ? file : `${file} line ${String(line)}`;
}

const CODES = {
  unknown: 'ERR_HOST_KEY_UNKNOWN',
  changed: 'ERR_HOST_KEY_CHANGED',
  revoked: 'ERR_HOST_KEY_REVOKED',
  unpinned: 'ERR_HOST_KEY_NOT_PINNED',
  unrecorded: 'ERR_HOST_KEY_NOT_RECORDED',
  short: 'ERR_HOST_KEY_TOO_SHORT',
} as const;
type Refusal = keyof typeof CODES;

function refusal(what: Refusal, message: string, cause?: unknown): TransportError {
  return new TransportError('host-key', message, { code: CODES[what], ...(cause !== undefined && { cause }) });
}

interface RecordedName {
  readonly name: string;
  readonly port: number;
}

/** Names to look a server up by: its address, then the drone's hostname; or the alias, which has no port. */
function namesOf({ host, hostname, port, hostKeyAlias }: SshPoint): [RecordedName, ...RecordedName[]] {
  if (hostKeyAlias !== undefined) return [{ name: hostKeyAlias, port: DEFAULT_PORT }];
  const address = { name: host, port };
  return host === hostname ? [address] : [address, { name: hostname, port }];
}

async function load(point: SshPoint): Promise<KnownHosts> {
  try {
    return await KnownHosts.load(point.knownHosts);
  } catch (error) {
    const path = error instanceof Error && 'path' in error ? String(error.path) : point.knownHosts.join(', ');
    throw new TransportError('host-key', `known_hosts file ${path} cannot be read: ${codeOf(error)}`, { cause: error });
  }
}
