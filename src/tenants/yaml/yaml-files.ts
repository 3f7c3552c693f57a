/**
 * Reads untrusted YAML 1.2 (core schema) within bounds of size, depth and aliases. Messages of the package `yaml` lose what
 * they quote, which may be a secret.
 */
import type * as Yaml from 'yaml';
import type { FileFaults } from './file-faults.js';
import { YamlReading } from './yaml-reading.js';
import type { YamlValue } from './yaml-value.js';

/** Layouts need 4; each level costs stack here and in the package. */
const MAX_DEPTH = 20;

const OPTIONS = {
  schema: 'core',
  // YAML 1.1 has tags for other things than text, numbers, lists and maps.
  resolveKnownTags: false,
  merge: false,
  stringKeys: true,
  // Its check is quadratic; YamlReading has one.
  uniqueKeys: false,
  logLevel: 'silent',
} as const;

export class YamlFiles {
  readonly #yaml: typeof Yaml;
  readonly #maxFileBytes: number;

  constructor(yaml: typeof Yaml, maxFileBytes: number) {
    this.#yaml = yaml;
    this.#maxFileBytes = maxFileBytes;
  }

  isTooBig(text: string): boolean {
    return Buffer.byteLength(text) > this.#maxFileBytes;
  }

  /** Undefined for an unreadable file. Adds the reasons, and repeated keys, to `faults`. */
  read(text: string, faults: FileFaults): YamlValue | undefined {
    const { Parser, Composer, LineCounter } = this.#yaml;
    if (this.isTooBig(text)) {
      const bytes = Buffer.byteLength(text);
      faults.add(1, () => `the file has ${String(bytes)} bytes, expected ${String(this.#maxFileBytes)} at most`);
      return undefined;
    }
    const lines = new LineCounter();
    const lineOf = (offset: number): number => lines.linePos(offset).line;
    // The package's parser recurses for chains such as `a: b: c` before the depth is known.
    const tokens = withinStack(() => [...new Parser(lines.addNewLine).parse(text)]);
    if (tokens === undefined) return tooEntangled(lines.lineStarts.length, faults);
    const deep = tooDeep(tokens);
    if (deep !== undefined) {
      faults.add(lineOf(deep), () => `lists and maps are nested deeper than ${String(MAX_DEPTH)}`);
      return undefined;
    }
    let isSound = true;
    const fail = (offset: number, reason: string): void => {
      isSound = false;
      faults.add(lineOf(offset), () => reason);
    };
    for (const token of tokens) {
      const reason = token.type === 'directive' ? reasonAgainst(token.source) : undefined;
      if (reason !== undefined) fail(token.offset, reason);
    }
    if (!isSound) return undefined;
    const compose = (): Yaml.Document.Parsed[] => [...new Composer(OPTIONS).compose(tokens, true, text.length)];
    const documents = withinStack(() => withoutStacks(compose));
    if (documents === undefined) return tooEntangled(1, faults);
    const [document, second] = documents;
    // Warnings too: an unknown tag may change the meaning of a value.
    for (const error of [...(document?.errors ?? []), ...(document?.warnings ?? [])]) {
      fail(error.pos[0], `invalid YAML: ${reasonOf(error)}`);
    }
    if (second !== undefined) fail(second.range[0], 'a second document begins, expected one in a file');
    const reading = new YamlReading(this.#yaml, lineOf, faults);
    return isSound ? reading.read(document?.contents ?? null) : undefined;
  }
}

/** The first place where lists and maps are too deep. Without recursion, for which the tokens may be too deep. */
function tooDeep(tokens: readonly Yaml.CST.Token[]): number | undefined {
  const left: { readonly token: Yaml.CST.Token; readonly depth: number }[] = [];
  const add = (token: Yaml.CST.Token | null | undefined, depth: number): void => {
    if (token) left.push({ token, depth });
  };
  for (const token of tokens) add(token, 0);
  let first: number | undefined;
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { token, depth } = next;
    if (token.type === 'document') add(token.value, depth);
    if (!('items' in token)) continue;
    if (depth === MAX_DEPTH) {
      first = Math.min(first ?? Infinity, token.offset);
      continue;
    }
    for (const { key, value } of token.items) {
      add(key, depth + 1);
      add(value, depth + 1);
    }
  }
  return first;
}

/** Why a directive is refused. With `%TAG` the package keeps a long copy of each short tag: 60 KB took half a minute. */
function reasonAgainst(directive: string): string | undefined {
  const [name, version, ...more] = directive.trim().split(/[ \t]+/);
  if (name !== '%YAML') return 'this is a directive other than %YAML, expected none';
  if (version === '1.2' && more.length === 0) return undefined;
  if (version === '1.1') return '%YAML is 1.1, in which some words mean something else, expected 1.2';
  return '%YAML has another version, expected 1.2';
}

/** Undefined on a stack overflow. */
function withinStack<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function tooEntangled(line: number, faults: FileFaults): undefined {
  faults.add(line, () => 'lists, maps and values are nested too deeply here');
}

/** The package may make an error per character; capturing their unused stacks took 9 s of 10. */
function withoutStacks<T>(work: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return work();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** The package quotes after a colon or as an escape sequence, and tags anywhere. */
function reasonOf({ code, message }: Yaml.YAMLError): string {
  if (code === 'NON_STRING_KEY') return 'A key is not text';
  // A secret may begin with `!`. Words after `!!` are YAML 1.1's, as in `!!binary`.
  if (code === 'TAG_RESOLVE_FAILED')
    return /^Unresolved tag(: tag:yaml\.org,2002:[a-z]{1,20}$)?/.exec(message)?.[0] ?? 'Bad tag';
  return message.replace(/(?<=\w): .*| \\.*/s, '');
}
