// The blocks of TypeScript in README.md and docs/: scripts/types.js compiles them under `strict`, as a reader would. Those whose
// fence says `ts program` are whole programs, which scripts/run-programs.js runs.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { markdownPages, readMarkdown, ROOT } from './markdown.js';

const COMPILER_OPTIONS = {
  strict: true,
  module: 'nodenext',
  target: 'es2022',
  lib: ['es2023', 'esnext.disposable'],
  types: ['node'],
  noEmit: true,
  skipLibCheck: true,
};

/** Beside a page's programs: `json file=hosts.json`. */
const FILE = /^\S+ file=([\w.-]+)$/;
/** Before the output of a program: what the expression matches differs from run to run. */
const VARIES = /^ *<!-- varies: (.+) -->$/;

/**
 * A program of a page, its expected output, and the files that the page has put beside it.
 * @typedef {object} Program
 * @property {string} title
 * @property {string} text
 * @property {string | undefined} output the block of text after it; undefined where there is none: it must only exit with 0
 * @property {RegExp | undefined} varies
 * @property {ReadonlyMap<string, string>} files by name
 */

function readPages() {
  const pages = markdownPages().filter(page => page === 'README.md' || page.startsWith('docs/'));
  return pages.map(page => ({ page, ...readMarkdown(readFileSync(join(ROOT, page), 'utf8')) }));
}

/** @returns {{ title: string, text: string }[]} */
export function docBlocks() {
  return readPages().flatMap(({ page, fences }) =>
    fences
      .filter(({ info }) => /^ts($| )/.test(info))
      .map(({ text, line }) => ({ title: `${page}:${String(line)}`, text })),
  );
}

/** @returns {Program[]} */
export function docPrograms() {
  return readPages().flatMap(({ page, fences, prose }) => programsOf(page, fences, prose));
}

/**
 * @param {string} page
 * @param {readonly import('./markdown.js').Fence[]} fences
 * @param {readonly import('./markdown.js').Line[]} prose
 * @returns {Program[]}
 */
export function programsOf(page, fences, prose) {
  /** @type {Map<string, string>} */
  const files = new Map();
  /** @type {Program[]} */
  const programs = [];
  for (const [at, { info, text, line }] of fences.entries()) {
    const file = FILE.exec(info)?.[1];
    if (file !== undefined) files.set(file, text);
    if (info !== 'ts program') continue;
    const next = fences[at + 1];
    const between = prose.filter(each => each.line > line && each.line < (next?.line ?? 0)).map(each => each.text);
    const isOutput = next?.info === 'text' && !between.some(each => /^#{1,6} /.test(each));
    const varies = between.map(each => VARIES.exec(each)?.[1]).find(each => each !== undefined);
    programs.push({
      title: `${page}:${String(line)}`,
      text,
      output: isOutput ? next.text : undefined,
      varies: varies === undefined ? undefined : new RegExp(varies, 'g'),
      files: new Map(files),
    });
  }
  return programs;
}

/** Calls `check` with a directory beside the sources that holds a file for each block and a tsconfig.json, then removes it. */
export function withBlocks(/** @type {(folder: string) => void} */ check) {
  const folder = mkdtempSync(join(ROOT, 'doc-blocks-'));
  try {
    for (const { title, text } of docBlocks()) {
      writeFileSync(join(folder, `${title.replace(/\W/g, '_')}.ts`), `export {};\n${text}`);
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: COMPILER_OPTIONS }));
    check(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
