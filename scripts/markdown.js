// What the checks of the documentation read of a Markdown page: fenced blocks, headings, links.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Pages beside docs/. */
const TOP_PAGES = ['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'];

/**
 * A fenced block. `line` is that of its opening fence, counted from 1.
 * @typedef {{ info: string, text: string, line: number }} Fence
 * @typedef {{ text: string, line: number }} Line
 */

/** Paths of all pages that are there, relative to the checkout. */
export function markdownPages(root = ROOT) {
  const files = readdirSync(root).filter(name => TOP_PAGES.includes(name));
  const docs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' });
  // docs/api/ was the output of earlier versions.
  const pages = docs.filter(name => name.endsWith('.md') && !name.startsWith('api'));
  return [...files, ...pages.map(name => `docs/${name.replaceAll('\\', '/')}`)];
}

/**
 * The fenced blocks of a page, and its lines outside of them.
 * @param {string} markdown
 * @returns {{ fences: Fence[], prose: Line[] }}
 */
export function readMarkdown(markdown) {
  /** @type {Fence[]} */
  const fences = [];
  /** @type {Line[]} */
  const prose = [];
  /** @type {{ end: RegExp, indent: number, info: string, line: number, lines: string[] } | undefined} */
  let open;
  for (const [index, text] of markdown.split('\n').entries()) {
    const line = index + 1;
    if (open?.end.test(text) === true) {
      fences.push({ info: open.info, text: open.lines.map(each => `${each}\n`).join(''), line: open.line });
      open = undefined;
    } else if (open) {
      open.lines.push(text.slice(Math.min(open.indent, /^ */.exec(text)?.[0].length ?? 0)));
    } else {
      const [, indent = '', mark = '', info = ''] = /^( *)(`{3,}|~{3,})([^`]*)$/.exec(text) ?? [];
      if (mark === '') prose.push({ text, line });
      else
        open = {
          end: new RegExp(`^ *${mark}${mark.charAt(0)}*\\s*$`),
          indent: indent.length,
          info: info.trim(),
          line,
          lines: [],
        };
    }
  }
  if (open) throw new Error(`the block that begins in line ${String(open.line)} has no end`);
  return { fences, prose };
}

/** The anchor that GitHub gives a heading, where no heading before it has the same. @param {string} heading Its text. */
export function githubSlug(heading) {
  const words = heading.trim().toLowerCase();
  return words.replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '').replaceAll(' ', '-');
}

/** Marks that GitHub does not count as a heading's text. @param {string} text */
function withoutMarks(text) {
  return text
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/<[^>`]+>/g, '')
    .replace(/(^|[^\w`])_([^_`]+)_(?!\w)/g, '$1$2');
}

/** All anchors of a page. @param {string} markdown */
export function anchorsOf(markdown) {
  const { prose } = readMarkdown(markdown);
  const anchors = new Set(
    prose.flatMap(({ text }) => [...text.matchAll(/<a (?:id|name)="([^"]+)"/g)].map(found => found[1])),
  );
  /** @type {Map<string, number>} */
  const seen = new Map();
  for (const { text } of prose) {
    const heading = /^ {0,3}#{1,6} +(.+?)(?: +#+)? *$/.exec(text)?.[1];
    if (heading === undefined) continue;
    const slug = githubSlug(withoutMarks(heading));
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    anchors.add(count === 0 ? slug : `${slug}-${String(count)}`);
  }
  return anchors;
}

/** Targets of all links and images of a page, code aside. @param {string} markdown @returns {Line[]} */
export function linksOf(markdown) {
  const { prose } = readMarkdown(markdown);
  // A code span or a link may go over the end of a line.
  const text = prose.map(each => each.text).join('\n');
  const plain = text.replace(/(`+)(?!`)[\s\S]*?[^`]\1(?!`)/g, code => code.replace(/[^\n]/g, ' '));
  const links = [...plain.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)|^ {0,3}\[[^\]]+\]: *<?([^\s>]+)/gm)];
  return links.map(({ index, 1: inline, 2: reference }) => ({
    text: inline ?? reference ?? '',
    line: prose[plain.slice(0, index).split('\n').length - 1]?.line ?? 0,
  }));
}
