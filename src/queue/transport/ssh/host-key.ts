/** Decides whether the key that a server shows is its own, before any credential is sent to it. */
import { createHash } from 'node:crypto';
import type { ServerHostKeyAlgorithm } from 'ssh2';
import { TransportError } from '../transport.js';
import type { SshPoint } from './ssh-endpoint.js';
import { DEFAULT_PORT, type HostKeyFinding, KnownHosts, keyTypeOf } from './known-hosts.js';
import { addKnownHost, lockKnownHosts } from './known-hosts-file.js';

/** Key types that ssh2 can verify, with the signature algorithms it has for each, the preferred first. */
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

/** The check of one connection to one server. */
export class HostKeyCheck {
  readonly #point: SshPoint;
  readonly #knownHosts: KnownHosts | undefined;
  readonly #recordedTypes: readonly string[];
  #accepted: Buffer | undefined;
  #isNew = false;
  #failure: TransportError | undefined;

  private constructor(point: SshPoint, knownHosts: KnownHosts | undefined) {
    this.#point = point;
    this.#knownHosts = knownHosts;
    this.#recordedTypes =
      namesOf(point)
        .map(({ name, port }) => knownHosts?.recordedTypes(name, port) ?? [])
        .find(types => types.length > 0) ?? [];
  }

  /** Reads the known_hosts files, unless the keys are pinned. */
  static async prepare(point: SshPoint): Promise<HostKeyCheck> {
    return new HostKeyCheck(point, typeof point.hostKeys === 'string' ? await load(point) : undefined);
  }

  /** Asks the server for a key of a recorded type: it may have several, and would choose by its own order. */
  get algorithms(): ServerHostKeyAlgorithm[] | undefined {
    const given = this.#point.hostKeyAlgorithms as ServerHostKeyAlgorithm[] | undefined;
    const recorded = [...ALGORITHMS_OF_TYPE].flatMap(([type, names]) =>
      this.#recordedTypes.includes(type) ? names : [],
    );
    const wanted = given ? given.filter(name => recorded.includes(name)) : recorded;
    return wanted.length > 0 ? wanted : given;
  }

  /** Whether only keys of recorded types were asked for. */
  get isTypeRecorded(): boolean {
    return this.#recordedTypes.length > 0;
  }

  /** Why the server was refused. */
  get failure(): TransportError | undefined {
    return this.#failure;
  }

  /** Whether to go on. Asked again when the connection changes its session keys: the key must then be the same one. */
  accepts(key: Buffer): boolean {
    if (this.#accepted)
      return this.#accepted.equals(key) || this.#refuse('changed', key, 'it showed another one before');
    const { hostKeys } = this.#point;
    if (typeof hostKeys === 'object') return this.#acceptsPinned(key, hostKeys.fingerprints);
    const finding = this.#find(this.#knownHosts, key);
    if (finding.status === 'unknown' && hostKeys === 'accept-new') this.#isNew = true;
    else if (finding.status !== 'known') return this.#refuseFor(finding, key);
    this.#accepted = Buffer.from(key);
    return true;
  }

  /**
   * Adds a new host's key to the first known_hosts file, once. For after the key exchange: only then the server has proved
   * that the key is its own. Rejects with a TransportError when another connection has meanwhile met another key there.
   */
  async record(signal: AbortSignal): Promise<void> {
    const key = this.#accepted;
    if (!this.#isNew || !key) return;
    this.#isNew = false;
    const path = this.#point.knownHosts[0] ?? '';
    const [{ name, port }] = namesOf(this.#point);
    try {
      // Of two first connections to a host, the second must see what the first has written, whosoever it is.
      await using _lock = await lockKnownHosts(path, signal);
      const finding = this.#find(await load(this.#point), key);
      if (finding.status === 'unknown') {
        await addKnownHost(path, name, port, key);
        // Others who write there may know nothing of our lock.
        const other = (await load(this.#point)).another(name, port, key);
        if (other) this.#refuseFor(other, key);
      } else this.#refuseFor(finding, key);
    } catch (error) {
      if (error instanceof TransportError) throw error;
      throw refusal('unrecorded', `new host key cannot be recorded in ${path}: ${codeOf(error)}`, error);
    }
    if (this.#failure) throw this.#failure;
  }

  /** The server has no key of a type that is recorded for it. */
  refuseMissingType(): TransportError {
    this.#refuse('changed', undefined, `recorded for it are only keys of type ${this.#recordedTypes.join(', ')}`);
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

  #acceptsPinned(key: Buffer, fingerprints: readonly string[]): boolean {
    if (!fingerprints.includes(fingerprintOf(key))) {
      return this.#refuse('unpinned', key, `pinned: ${fingerprints.join(', ')}`);
    }
    this.#accepted = Buffer.from(key);
    return true;
  }

  #refuseFor({ status, file = '', line = 0 }: HostKeyFinding, key: Buffer): boolean {
    const place = `${file} line ${String(line)}`;
    switch (status) {
      case 'revoked':
        return this.#refuse('revoked', key, `marked so in ${place}`);
      case 'cert-authority':
        return this.#refuse('unknown', key, `${place} names a certificate authority, which is not supported`);
      case 'changed':
        return this.#refuse('changed', key, `recorded in ${place} is another one`);
      case 'unknown':
        return this.#refuse('unknown', key, `not in ${this.#point.knownHosts.join(', ') || 'any known_hosts file'}`);
      case 'known':
        return true;
    }
  }

  #refuse(what: Exclude<Refusal, 'unrecorded'>, key: Buffer | undefined, why: string): false {
    const { host, port } = this.#point;
    const server = `${host.includes(':') ? `[${host}]` : host}:${String(port)}`;
    const shown = key ? `: ${keyTypeOf(key) ?? 'key'} ${fingerprintOf(key)}` : '';
    const said = what === 'unpinned' ? 'does not match the pinned ones' : what;
    this.#failure = refusal(what, `host key of ${server} ${said}${shown} (${why})`);
    return false;
  }
}

/** What is wrong with a server's key, and the code that tells programs so. */
const CODES = {
  unknown: 'ERR_HOST_KEY_UNKNOWN',
  changed: 'ERR_HOST_KEY_CHANGED',
  revoked: 'ERR_HOST_KEY_REVOKED',
  unpinned: 'ERR_HOST_KEY_NOT_PINNED',
  unrecorded: 'ERR_HOST_KEY_NOT_RECORDED',
} as const;
type Refusal = keyof typeof CODES;

function refusal(what: Refusal, message: string, cause?: unknown): TransportError {
  return new TransportError('host-key', message, { code: CODES[what], ...(cause !== undefined && { cause }) });
}

interface RecordedName {
  readonly name: string;
  readonly port: number;
}

/** What to look a server up by: where it is, and then what the drone calls it; or the alias, which has no port. */
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

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
