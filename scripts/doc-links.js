// Looks for links in the pages that lead nowhere: files that are not there, anchors that no heading has.
import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { anchorsOf, linksOf, markdownPages, ROOT } from './markdown.js';

/**
 * The broken links of all pages, each a sentence that begins with its place. Links to other sites are not followed.
 * @param {string} root
 */
export function brokenLinks(root = ROOT) {
  return markdownPages(root).flatMap(page => {
    const markdown = readFileSync(join(root, page), 'utf8');
    return linksOf(markdown).flatMap(({ text, line }) => {
      const problem = problemOf(root, page, text);
      return problem === undefined ? [] : [`${page}:${String(line)}: ${text}: ${problem}`];
    });
  });
}

/** @param {string} root @param {string} page @param {string} link @returns {string | undefined} */
function problemOf(root, page, link) {
  if (/^[a-z][a-z+.-]*:/i.test(link)) return undefined;
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : posix.normalize(posix.join(posix.dirname(page), decodeURIComponent(path)));
  if (target.startsWith('..') || path.startsWith('/')) return 'leaves the project';
  if (!existsSync(join(root, target))) return 'no such file';
  if (anchor === undefined) return undefined;
  if (!target.endsWith('.md')) return /^L\d+/.test(anchor) ? 'lines move: name what is there instead' : undefined;
  return anchorsOf(readFileSync(join(root, target), 'utf8')).has(anchor) ? undefined : 'no such heading';
}
