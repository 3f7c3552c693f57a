/**
 * Files of revoked host keys, as RevokedHostKeys of ssh_config(5) names them: public keys, one a line, or a key revocation
 * list (KRL, PROTOCOL.krl of OpenSSH). What cannot be read in full revokes everything, as with ssh.
 */
import { createHash } from 'node:crypto';
import { TransportError } from '../transport.js';
import { FileCache } from './file-cache.js';
import { keyTypeOf } from './known-hosts.js';
import { codeOf } from './tcp.js';

/** Whether the file lists a key, by its wire form, and where. */
type RevokedKeys = (key: Buffer) => { readonly line?: number } | undefined;

export interface RevokedIn {
  readonly file: string;
  /** Counted from 1; absent for a KRL. */
  readonly line?: number;
}

const KRL_MAGIC = 'SSHKRL\n\0';
const KRL_FORMAT = 1;

const files = new FileCache<RevokedKeys>(contents =>
  contents.toString('latin1', 0, KRL_MAGIC.length) === KRL_MAGIC ? parseKrl(contents) : parseLines(contents),
);

/** Rejects with a TransportError (`host-key`) that names the file which cannot be used. */
export async function loadRevokedKeys(paths: readonly string[]): Promise<(key: Buffer) => RevokedIn | undefined> {
  const lists = await Promise.all(
    paths.map(async file => {
      try {
        return { file, find: await files.get(file) };
      } catch (error) {
        const why = error instanceof Error && 'code' in error ? codeOf(error) : (error as Error).message;
        const message = `revoked host keys of ${file} cannot be read, so no host key is accepted: ${why}`;
        throw new TransportError('host-key', message, { cause: error });
      }
    }),
  );
  return key => {
    for (const { file, find } of lists) {
      const found = find(key);
      if (found) return { file, ...found };
    }
    return undefined;
  };
}

function parseLines(contents: Buffer): RevokedKeys {
  const lineOf = new Map<string, number>();
  contents
    .toString('utf8')
    .split('\n')
    .forEach((text, at) => {
      const line = text.trim();
      if (line === '' || line.startsWith('#')) return;
      const [type, base64 = ''] = line.split(/[ \t]+/);
      const key = Buffer.from(base64, 'base64');
      // A key that is not understood may be the one that was to be revoked.
      if (type === undefined || keyTypeOf(key) !== type) throw new Error(`line ${String(at + 1)} is not a public key`);
      lineOf.set(key.toString('base64'), at + 1);
    });
  return key => {
    const line = lineOf.get(key.toString('base64'));
    return line === undefined ? undefined : { line };
  };
}

/** Certificates in a KRL do not matter here: none is ever accepted. */
const SECTION = { certificates: 1, keys: 2, sha1: 3, signature: 4, sha256: 5, extension: 255 } as const;

function parseKrl(contents: Buffer): RevokedKeys {
  const reader = new Reader(contents, KRL_MAGIC.length);
  const format = reader.uint32();
  if (format !== KRL_FORMAT) throw new Error(`a key revocation list of the unknown format ${String(format)}`);
  reader.skip(3 * 8); // its number, date and flags
  reader.string(); // reserved
  reader.string(); // comment
  const revoked = new Set<string>();
  while (!reader.isAtEnd) {
    const kind = reader.byte();
    const section = new Reader(reader.string());
    switch (kind) {
      case SECTION.keys:
        while (!section.isAtEnd) revoked.add(`key ${section.string().toString('base64')}`);
        break;
      case SECTION.sha1:
      case SECTION.sha256: {
        const name = kind === SECTION.sha1 ? 'sha1' : 'sha256';
        while (!section.isAtEnd) revoked.add(`${name} ${section.string().toString('base64')}`);
        break;
      }
      case SECTION.certificates:
      case SECTION.signature:
        break;
      case SECTION.extension:
        refuseCritical(section);
        break;
      default:
        throw new Error(`a key revocation list with a section of the unknown kind ${String(kind)}`);
    }
  }
  const digest = (name: 'sha1' | 'sha256', key: Buffer): string => createHash(name).update(key).digest('base64');
  return key => {
    const names = [`key ${key.toString('base64')}`, `sha1 ${digest('sha1', key)}`, `sha256 ${digest('sha256', key)}`];
    return names.some(name => revoked.has(name)) ? {} : undefined;
  };
}

function refuseCritical(section: Reader): void {
  const name = section.string().toString('latin1');
  if (section.byte() !== 0) throw new Error(`a key revocation list with the unknown critical extension ${name}`);
}

/** Throws if the end is cut off or damaged. */
class Reader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  byte(): number {
    return this.skip(1)[0] ?? 0;
  }

  uint32(): number {
    return this.skip(4).readUInt32BE(0);
  }

  string(): Buffer {
    return this.skip(this.uint32());
  }

  skip(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new Error('a damaged key revocation list');
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }
}
