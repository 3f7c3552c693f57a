/**
 * Turns the nodes of one document into values, with unique keys and bounded aliases. Faults do not name an alias, which may
 * be a secret that begins with `*`.
 */
import type * as Yaml from 'yaml';
import { type FileFaults, quoted } from './file-faults.js';
import type { YamlEntry, YamlValue } from './yaml-value.js';

/** How many values all aliases of a file may stand for: a few can stand for billions. */
const MAX_ALIASED = 10_000;

/** A value, and how many values it contains, itself included. */
interface Sized {
  readonly value: YamlValue;
  readonly size: number;
}

export class YamlReading {
  readonly #yaml: typeof Yaml;
  readonly #lineOf: (offset: number) => number;
  readonly #faults: FileFaults;
  /** The last value of each anchor; undefined while that is being read. */
  readonly #anchors = new Map<string, Sized | undefined>();
  #aliased = 0;
  #isSound = true;

  constructor(yaml: typeof Yaml, lineOf: (offset: number) => number, faults: FileFaults) {
    this.#yaml = yaml;
    this.#lineOf = lineOf;
    this.#faults = faults;
  }

  /** Undefined when an alias is unknown, contains itself or stands for too much. */
  read(contents: Yaml.Node | null): YamlValue | undefined {
    const { value } = this.#read(contents, 1);
    return this.#isSound ? value : undefined;
  }

  /** `line`: for a value without a node. */
  #read(node: Yaml.Node | null, line: number): Sized {
    if (node === null) return { value: { kind: 'nothing', line }, size: 1 };
    const at = this.#lineAt(node);
    if (this.#yaml.isAlias(node)) return this.#stoodFor(node.source, at);
    const { anchor } = node;
    if (anchor !== undefined) this.#anchors.set(anchor, undefined);
    const read = this.#readHere(node, at);
    if (anchor !== undefined) this.#anchors.set(anchor, read);
    return read;
  }

  #readHere(node: Yaml.Node, line: number): Sized {
    const { isMap, isSeq } = this.#yaml;
    if (isMap(node)) return this.#readMap(node as Yaml.YAMLMap<Yaml.Scalar, Yaml.Node | null>, line);
    if (isSeq(node)) {
      const items = node.items.map(item => this.#read(item as Yaml.Node | null, line));
      return { value: { kind: 'list', line, items: items.map(({ value }) => value) }, size: sizeOf(items) };
    }
    const { value, source = '' } = node as Yaml.Scalar<string | number | boolean | null>;
    if (value === null) return { value: { kind: 'nothing', line, text: source === '' ? undefined : source }, size: 1 };
    return { value: { kind: 'scalar', line, text: source, value }, size: 1 };
  }

  #readMap({ items }: Yaml.YAMLMap<Yaml.Scalar, Yaml.Node | null>, line: number): Sized {
    const entries = new Map<string, YamlEntry>();
    const sizes: Sized[] = [];
    for (const pair of items) {
      const key = pair.key.value as string;
      const keyLine = this.#lineAt(pair.key);
      if (pair.key.anchor !== undefined) this.#read(pair.key, keyLine);
      const read = this.#read(pair.value, keyLine);
      const first = entries.get(key);
      if (first === undefined) entries.set(key, { key, line: keyLine, value: read.value });
      else this.#faults.add(keyLine, () => `${quoted(key)} occurs twice, first in line ${String(first.line)}`);
      sizes.push(read);
    }
    return { value: { kind: 'map', line, entries: [...entries.values()] }, size: sizeOf(sizes) };
  }

  #stoodFor(anchor: string, line: number): Sized {
    const found = this.#anchors.get(anchor);
    if (found === undefined) {
      const isInside = this.#anchors.has(anchor);
      const complaint = isInside
        ? 'stands inside the value that it stands for'
        : 'stands for nothing that comes before it';
      return this.#nothing(line, () => `an alias ${complaint}`);
    }
    const isFirst = this.#aliased <= MAX_ALIASED;
    this.#aliased += found.size;
    if (this.#aliased <= MAX_ALIASED) return found;
    const excess = `is one too many: aliases may stand for at most ${String(MAX_ALIASED)} values`;
    return this.#nothing(line, isFirst ? () => `an alias ${excess}` : undefined);
  }

  /** Replaces an unreadable value. Without a `reason` the fault was reported before. */
  #nothing(line: number, reason?: () => string): Sized {
    this.#isSound = false;
    if (reason !== undefined) this.#faults.add(line, reason);
    return { value: { kind: 'nothing', line }, size: 1 };
  }

  #lineAt(node: Yaml.Node): number {
    return this.#lineOf(node.range?.[0] ?? 0);
  }
}

function sizeOf(parts: readonly Sized[]): number {
  return parts.reduce((sum, { size }) => sum + size, 1);
}
