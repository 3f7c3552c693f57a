/**
 * The known_hosts format of sshd(8): plain and hashed names, wildcards, negation, ports, markers. Invalid lines are
 * skipped, as by OpenSSH; no input makes it throw.
 */
import { createHmac } from 'node:crypto';
import { FileCache } from './file-cache.js';

export interface HostKeyFinding {
  /**
   * `known`: recorded for the host. `revoked`: recorded as untrusted. `changed`: other keys are recorded.
   * `cert-authority`: only an authority is, and certificates are not supported. `unknown`: nothing is.
   */
  readonly status: 'known' | 'unknown' | 'changed' | 'revoked' | 'cert-authority';
  /** Absent when unknown. */
  readonly file?: string;
  /** Counted from 1. */
  readonly line?: number;
}

interface Entry {
  readonly line: number;
  readonly marker: 'revoked' | 'cert-authority' | undefined;
  readonly names: string;
  readonly type: string;
  readonly key: Buffer;
}

interface FoundEntry extends Entry {
  readonly file: string;
}

function findingAt(status: HostKeyFinding['status'], { file, line }: FoundEntry): HostKeyFinding {
  return { status, file, line };
}

export const DEFAULT_PORT = 22;
const NEWLINE = 10;

export class KnownHosts {
  readonly #files: readonly KnownHostsFile[];

  private constructor(files: readonly KnownHostsFile[]) {
    this.#files = files;
  }

  /** Missing files count as empty; rejects for unreadable ones. */
  static async load(paths: readonly string[]): Promise<KnownHosts> {
    return new KnownHosts(await Promise.all(paths.map(loadFile)));
  }

  /** Looks up a key by its wire form. As with ssh, a key recorded or revoked without a port counts for all ports. */
  check(host: string, port: number, keyType: string, keyBlob: Uint8Array): HostKeyFinding {
    const finding = this.#checkName(nameOf(host, port), keyType, keyBlob);
    if (finding.status === 'revoked' || port === DEFAULT_PORT) return finding;
    const withoutPort = this.#checkName(nameOf(host, DEFAULT_PORT), keyType, keyBlob);
    if (withoutPort.status === 'revoked') return withoutPort;
    return finding.status === 'unknown' && withoutPort.status === 'known' ? withoutPort : finding;
  }

  /** A different key recorded for the host and port. */
  another(host: string, port: number, keyBlob: Uint8Array): HostKeyFinding | undefined {
    const entries = this.#find(nameOf(host, port)).filter(({ marker }) => marker === undefined);
    const other = entries.find(({ key }) => !key.equals(keyBlob));
    return other && findingAt('changed', other);
  }

  /** Types of the keys recorded for a host: a key of another type would look like a changed key. */
  recordedTypes(host: string, port: number): string[] {
    const typesOf = (name: string): string[] => [
      ...new Set(this.#find(name).flatMap(({ marker, type }) => (marker === undefined ? [type] : []))),
    ];
    const types = typesOf(nameOf(host, port));
    return types.length > 0 || port === DEFAULT_PORT ? types : typesOf(nameOf(host, DEFAULT_PORT));
  }

  #find(name: string): FoundEntry[] {
    return this.#files.flatMap(file => file.find(name).map(entry => ({ ...entry, file: file.path })));
  }

  #checkName(name: string, keyType: string, keyBlob: Uint8Array): HostKeyFinding {
    const entries = this.#find(name);
    const isShown = (entry: Entry): boolean => entry.type === keyType && entry.key.equals(keyBlob);
    const plain = entries.filter(({ marker }) => marker === undefined);
    const revoked = entries.find(entry => entry.marker === 'revoked' && isShown(entry));
    if (revoked) return findingAt('revoked', revoked);
    const known = plain.find(isShown);
    if (known) return findingAt('known', known);
    const other = plain.find(({ type }) => type === keyType) ?? plain[0];
    if (other) return findingAt('changed', other);
    const authority = entries.find(({ marker }) => marker === 'cert-authority');
    return authority ? findingAt('cert-authority', authority) : { status: 'unknown' };
  }
}

/**
 * One parsed file. Plain names, the most frequent, are found by a map; of a file that has only grown, as `accept-new`
 * makes it, only the new part is parsed and searched.
 */
class KnownHostsFile {
  readonly path: string;
  #contents: Buffer = Buffer.alloc(0);
  #lines = 0;
  readonly #byName = new Map<string, Entry[]>();
  readonly #patterns: Entry[] = [];
  readonly #hashed: { readonly entry: Entry; readonly salt: Buffer; readonly hash: Buffer }[] = [];
  /** Earlier answers, each for the first `lines` lines: with hashed names each search costs a hash per line. */
  readonly #found = new Map<string, { readonly entries: readonly Entry[]; readonly lines: number }>();

  constructor(path: string, contents: Buffer) {
    this.path = path;
    this.#parse(contents);
  }

  /** Takes the file's present contents if they extend the earlier ones by whole lines. */
  extend(contents: Buffer): boolean {
    const before = this.#contents;
    if (before.length > 0 && before.at(-1) !== NEWLINE) return false;
    if (!contents.subarray(0, before.length).equals(before)) return false;
    this.#parse(contents);
    return true;
  }

  /** Entries for a name, in the order of the file. */
  find(name: string): readonly Entry[] {
    const before = this.#found.get(name) ?? { entries: [], lines: 0 };
    if (before.lines === this.#lines) return before.entries;
    const isNew = ({ line }: Entry): boolean => line > before.lines;
    const entries = [
      ...before.entries,
      ...[
        ...(this.#byName.get(name) ?? []).filter(isNew),
        ...this.#patterns.filter(entry => isNew(entry) && matchesList(name, entry.names)),
        ...this.#hashed
          .filter(({ entry }) => isNew(entry))
          .filter(({ salt, hash }) => createHmac('sha1', salt).update(name).digest().equals(hash))
          .map(({ entry }) => entry),
      ].sort((a, b) => a.line - b.line),
    ];
    this.#found.set(name, { entries, lines: this.#lines });
    return entries;
  }

  #parse(contents: Buffer): void {
    const lines = contents.toString('utf8', this.#contents.length).split('\n');
    if (lines.at(-1) === '') lines.pop();
    for (const text of lines) {
      const entry = parseLine(text, ++this.#lines);
      if (entry) this.#add(entry);
    }
    this.#contents = contents;
  }

  #add(entry: Entry): void {
    if (entry.names.startsWith('|')) {
      const parts = /^\|1\|([A-Za-z0-9+/=]+)\|([A-Za-z0-9+/=]+)$/.exec(entry.names);
      if (!parts) return;
      this.#hashed.push({
        entry,
        salt: Buffer.from(parts[1] ?? '', 'base64'),
        hash: Buffer.from(parts[2] ?? '', 'base64'),
      });
      return;
    }
    if (/[*?!]/.test(entry.names)) {
      this.#patterns.push(entry);
      return;
    }
    for (const name of new Set(entry.names.toLowerCase().split(','))) {
      const entries = this.#byName.get(name);
      if (entries) entries.push(entry);
      else this.#byName.set(name, [entry]);
    }
  }
}

function parseLine(text: string, line: number): Entry | undefined {
  const parts =
    /^[ \t]*(?:@(revoked|cert-authority)[ \t]+)?([^ \t#@][^ \t]*)[ \t]+([^ \t]+)[ \t]+([A-Za-z0-9+/]+=*)\s*(?:$|[ \t])/.exec(
      text,
    );
  if (!parts) return undefined;
  const [, marker, names = '', type = '', base64 = ''] = parts;
  const key = Buffer.from(base64, 'base64');
  if (keyTypeOf(key) !== type) return undefined;
  return { line, marker: marker as Entry['marker'], names, type, key };
}

/** The type at the start of a key's wire form. */
export function keyTypeOf(key: Buffer): string | undefined {
  if (key.length < 4) return undefined;
  const end = 4 + key.readUInt32BE(0);
  return end < key.length ? key.toString('latin1', 4, end) : undefined;
}

/** A list of patterns as in OpenSSH: a negated match overrides all others. */
function matchesList(name: string, list: string): boolean {
  let matched = false;
  for (const item of list.toLowerCase().split(',')) {
    const negated = item.startsWith('!');
    if (!matches(name, negated ? item.slice(1) : item)) continue;
    if (negated) return false;
    matched = true;
  }
  return matched;
}

/** `*` is any text, `?` any character. Backtracks to the last star only, so that no pattern takes exponential time. */
function matches(name: string, pattern: string): boolean {
  let at = 0;
  let patternAt = 0;
  let star = -1;
  let starAt = 0;
  while (at < name.length) {
    const wanted = pattern[patternAt];
    if (wanted === '*') {
      star = patternAt++;
      starAt = at;
    } else if (wanted === '?' || (wanted !== undefined && wanted === name[at])) {
      at++;
      patternAt++;
    } else if (star >= 0) {
      patternAt = star + 1;
      at = ++starAt;
    } else {
      return false;
    }
  }
  while (pattern[patternAt] === '*') patternAt++;
  return patternAt === pattern.length;
}

/** How known_hosts names a host. */
export function nameOf(host: string, port: number): string {
  const name = host.toLowerCase();
  return port === DEFAULT_PORT ? name : `[${name}]:${String(port)}`;
}

const files = new FileCache<KnownHostsFile>((contents, path, before) =>
  before?.extend(contents) === true ? before : new KnownHostsFile(path, contents),
);

async function loadFile(path: string): Promise<KnownHostsFile> {
  try {
    return await files.get(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
    return new KnownHostsFile(path, Buffer.alloc(0));
  }
}
