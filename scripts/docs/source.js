// What the generated pages read from src/: syntax trees, doc comments, and the lists in them.
import { readdirSync, readFileSync } from 'node:fs';
import ts from 'typescript';

export const ROOT = new URL('../../', import.meta.url);

/** One line of each generated page. */
export const GENERATED = 'This page is generated from the source: `npm run docs`.';

/** @type {import('typescript').SourceFile[] | undefined} */
let files;

/** Every file of src/, by its path in there. */
export function sources() {
  files ??= readdirSync(new URL('src/', ROOT), { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.ts'))
    .sort()
    .map(path =>
      ts.createSourceFile(path, readFileSync(new URL(`src/${path}`, ROOT), 'utf8'), ts.ScriptTarget.Latest, true),
    );
  return files;
}

/** @param {string} path */
export function sourceOf(path) {
  const found = sources().find(({ fileName }) => fileName === path);
  if (found === undefined) throw new Error(`src/ has no file ${path}`);
  return found;
}

/** @template {import('typescript').Node} N @param {(node: import('typescript').Node) => node is N} is @returns {N[]} */
export function nodesThat(is) {
  return sources().flatMap(source => nodesIn(source, is));
}

/**
 * @template {import('typescript').Node} N
 * @param {import('typescript').Node} root
 * @param {(node: import('typescript').Node) => node is N} is
 */
export function nodesIn(root, is) {
  /** @type {N[]} */
  const found = [];
  /** @param {import('typescript').Node} node */
  const visit = node => {
    if (is(node)) found.push(node);
    ts.forEachChild(node, visit);
  };
  visit(root);
  return found;
}

/** The text of a node's own doc comment, its lines kept. @param {import('typescript').Node} node */
export function docTextOf(node) {
  const docs = /** @type {{ jsDoc?: import('typescript').JSDoc[] }} */ (/** @type {unknown} */ (node)).jsDoc ?? [];
  const text = ts.getTextOfJSDocComment(docs.at(-1)?.comment) ?? '';
  return text.replace(/\{@link (\w+)\}/g, '`$1`');
}

/** The same on one line. @param {import('typescript').Node} node */
export function docOf(node) {
  return docTextOf(node).replace(/\s+/g, ' ').trim();
}

/** The paragraphs of a node's doc comment, each on one line. @param {import('typescript').Node} node */
export function paragraphsOf(node) {
  const paragraphs = docTextOf(node).split(/\n\s*\n/);
  return paragraphs.map(text => text.replace(/\s+/g, ' ').trim()).filter(text => text !== '');
}

/** What precedes the first blank line, on one line. @param {import('typescript').Node} node */
export function firstParagraphOf(node) {
  return paragraphsOf(node)[0] ?? '';
}

/**
 * An entry of a list in a doc comment: `- \`name\` (note): sentences`.
 *
 * @typedef {{ name: string, note: string | undefined, text: string, node: import('typescript').Node, file: string }} Entry
 */

/** @param {import('typescript').Node} node @returns {Entry[]} */
export function entriesOf(node) {
  const file = node.getSourceFile().fileName;
  /** @type {Entry[]} */
  const entries = [];
  let isOpen = false;
  for (const line of docTextOf(node).split('\n')) {
    const [, name, note, text = ''] = /^\s*- `([^`]+)`(?: \(([^)]*)\))?: (.*)$/.exec(line) ?? [];
    const last = entries.at(-1);
    if (name !== undefined) {
      entries.push({ name, note, text: text.trim(), node, file });
      isOpen = true;
    } else if (line.trim() === '') isOpen = false;
    else if (isOpen && last !== undefined) last.text += ` ${line.trim()}`;
  }
  return entries;
}

/** All entries of src/ whose name is of a kind. @param {RegExp} name */
export function entriesNamed(name) {
  /** @param {import('typescript').Node} node @returns {node is import('typescript').Node} */
  const hasDoc = node => 'jsDoc' in node;
  return nodesThat(hasDoc).flatMap(node => entriesOf(node).filter(entry => name.test(entry.name)));
}

/** The first sentences of a text, one each, and the rest as the last. @param {string} text @param {number} parts */
export function sentences(text, parts) {
  const found = text.split(/(?<=[.!?]) (?=[A-Z`(])/);
  return Array.from({ length: parts }, (_, at) => (at === parts - 1 ? found.slice(at).join(' ') : (found[at] ?? '')));
}

/** The import path of an entry point that exports a name. @param {string} name */
export function entryPointOf(name) {
  for (const [entry, path] of entryPoints()) {
    const specifiers = nodesIn(sourceOf(path), ts.isExportSpecifier);
    if (specifiers.some(specifier => specifier.name.text === name)) return entry;
  }
  return undefined;
}

/** Import paths of the package, each with the file of src/ that is its map. */
export function entryPoints() {
  /** @type {{ name: string, exports: Record<string, string | { types: string }> }} */
  const { name, exports } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8'));
  /** @type {[path: string, file: string][]} */
  const found = [];
  for (const [path, entry] of Object.entries(exports)) {
    if (typeof entry === 'string') continue;
    found.push([name + path.slice(1), entry.types.replace(/^\.\/dist\/(.*)\.d\.ts$/, '$1.ts')]);
  }
  return found;
}

/** A table in Markdown. @param {readonly string[]} heads @param {readonly (readonly string[])[]} rows */
export function tableOf(heads, rows) {
  // A pipe ends a cell, between backticks too.
  const lines = [heads, heads.map(() => '---'), ...rows.map(row => row.map(cell => cell.replaceAll('|', '\\|')))];
  return lines.map(cells => `| ${cells.join(' | ')} |\n`).join('');
}

const MAX_CHARS = 120;

/** Fills the lines of prose, but for tables, headings and blocks of code. @param {string} page */
export function filled(page) {
  /** @type {string[]} */
  const lines = [];
  /** @type {string[]} */
  let words = [];
  let indent = '';
  const end = () => {
    let line = words[0] ?? '';
    for (const word of words.slice(1)) {
      if (line.length + 1 + word.length <= MAX_CHARS) line += ` ${word}`;
      else {
        lines.push(line);
        line = indent + word;
      }
    }
    if (words.length > 0) lines.push(line);
    words = [];
  };
  let isCode = false;
  for (const line of page.split('\n')) {
    const isFence = line.startsWith('```');
    if (isCode || isFence || line === '' || /^[|#<]/.test(line)) {
      end();
      lines.push(line);
      if (isFence) isCode = !isCode;
      continue;
    }
    const isItem = line.startsWith('- ');
    if (isItem || words.length === 0) {
      end();
      indent = isItem ? '  ' : '';
    }
    // A code span stays on one line, and so does an item's dash with its first word.
    words.push(...(line.trim().match(/(?:- )?(?:`[^`]*`|[^\s`])+/g) ?? []));
  }
  end();
  return lines.join('\n');
}

/** @param {string} text */
export function capitalized(text) {
  return text.replace(/^[a-z]/, letter => letter.toUpperCase());
}
