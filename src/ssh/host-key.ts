/** Decides whether the key that a server shows is its own, before any credential is sent to it. */
import { createHash } from 'node:crypto';
import type { ServerHostKeyAlgorithm } from 'ssh2';
import { TransportError } from '../transport.js';
import type { SshPoint } from './endpoint.js';
import { addKnownHost, type HostKeyFinding, KnownHosts, keyTypeOf } from './known-hosts.js';

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
        .map(name => knownHosts?.recordedTypes(name, point.port) ?? [])
        .find(types => types.length > 0) ?? [];
  }

  /** Reads the known_hosts files, unless the keys are pinned. */
  static async prepare(point: SshPoint): Promise<HostKeyCheck> {
    return new HostKeyCheck(point, typeof point.hostKeys === 'string' ? await load(point) : undefined);
  }

  /** Asks the server for a key of a recorded type: it may have several, and would choose by its own order. */
  get algorithms(): ServerHostKeyAlgorithm[] | undefined {
    const wanted = [...ALGORITHMS_OF_TYPE].flatMap(([type, names]) =>
      this.#recordedTypes.includes(type) ? names : [],
    );
    return wanted.length > 0 ? wanted : undefined;
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
   * Adds a new host's key to the first known_hosts file. For after the handshake: only then the server has proved that
   * the key is its own. Rejects when another connection has meanwhile met another key there.
   */
  async record(): Promise<void> {
    const key = this.#accepted;
    if (!this.#isNew || !key) return;
    this.#isNew = false;
    // One after another: of two first connections to a host the second must see what the first has written.
    const turn = recording.then(async () => {
      const finding = this.#find(await load(this.#point), key);
      if (finding.status === 'known') return;
      if (finding.status !== 'unknown') this.#refuseFor(finding, key);
      else await this.#add(key);
    });
    recording = turn.catch(() => undefined);
    await turn;
    if (this.#failure) throw this.#failure;
  }

  /** The server has no key of a type that is recorded for it. */
  refuseMissingType(): TransportError {
    this.#refuse('changed', undefined, `recorded for it are only keys of type ${this.#recordedTypes.join(', ')}`);
    return this.#failure as unknown as TransportError;
  }

  async #add(key: Buffer): Promise<void> {
    const path = this.#point.knownHosts[0] ?? '';
    try {
      await addKnownHost(path, this.#point.host, this.#point.port, key);
    } catch (error) {
      throw new TransportError('host-key', `new host key cannot be recorded in ${path}: ${codeOf(error)}`, {
        cause: error,
      });
    }
  }

  #find(knownHosts: KnownHosts | undefined, key: Buffer): HostKeyFinding {
    const findings = namesOf(this.#point).map(
      name => knownHosts?.check(name, this.#point.port, keyTypeOf(key) ?? '', key) ?? { status: 'unknown' as const },
    );
    return (
      findings.find(({ status }) => status === 'revoked') ??
      findings.find(({ status }) => status !== 'unknown') ?? { status: 'unknown' }
    );
  }

  #acceptsPinned(key: Buffer, fingerprints: readonly string[]): boolean {
    if (!fingerprints.includes(fingerprintOf(key))) {
      return this.#refuse('does not match the pinned ones', key, `pinned: ${fingerprints.join(', ')}`);
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

  #refuse(what: string, key: Buffer | undefined, why: string): false {
    const { host, port } = this.#point;
    const server = `${host.includes(':') ? `[${host}]` : host}:${String(port)}`;
    const shown = key ? `: ${keyTypeOf(key) ?? 'key'} ${fingerprintOf(key)}` : '';
    this.#failure = new TransportError('host-key', `host key of ${server} ${what}${shown} (${why})`);
    return false;
  }
}

let recording: Promise<void> = Promise.resolve();

/** Names to look a server up by: where it is, and then what the drone calls it. */
function namesOf({ host, hostname }: SshPoint): string[] {
  return host === hostname ? [host] : [host, hostname];
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
