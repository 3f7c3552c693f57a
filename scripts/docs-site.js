// The plugin of TypeDoc that makes one site of the guides and the API. Guides come in the order of docs-contents.js, under the
// titles of their pages; anchors are GitHub's, so that one link is right in both places.
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import {
  Application,
  Comment,
  CommentTag,
  Converter,
  PageEvent,
  ReflectionKind,
  RendererEvent,
  Slugger,
  StructureRouter,
} from 'typedoc';
import { CONTENTS, pagesByGroup } from './docs-contents.js';
import { githubSlug, markdownPages, readMarkdown, ROOT } from './markdown.js';

const PACKAGE = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const SOURCE = String(PACKAGE.repository.url).replace(/^git\+|\.git$/g, '');

/** Of a page in the search, against 1 for a comment of the API: a page says more about a word than a member does. */
const GUIDE_BOOST = 4;

/** @type {WeakMap<object, string>} */
const paths = new WeakMap();

class SiteRouter extends StructureRouter {
  /** @override @param {import('typedoc').Reflection} reflection */
  getIdealBaseName(reflection) {
    const path = paths.get(reflection);
    if (path === undefined) return super.getIdealBaseName(reflection);
    return `guides/${path
      .replace(/^docs\//, '')
      .replace(/\.md$/, '')
      .toLowerCase()}`;
  }
}

/** @param {Application} app */
export function load(app) {
  const groups = pagesByGroup(markdownPages());
  const groupOf = new Map(groups.flatMap(([group, pages]) => pages.map(page => /** @type {const} */ ([page, group]))));
  // The order is kept; at the top comes the README.
  const pages = [...groupOf.keys()];

  app.renderer.defineRouter('site', SiteRouter);
  Object.assign(Slugger.prototype, { serialize: githubSlug });

  app.on(Application.EVENT_BOOTSTRAP_END, () => {
    app.options.setValue('projectDocuments', pages);
    app.options.setValue('basePath', ROOT);
    app.options.setValue('groupOrder', [...Object.keys(CONTENTS), 'API', '*']);
    app.options.setValue('markdownItLoader', showCodeInHeadings);
  });
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_, page) => {
    const path = `${page.name}.md`;
    paths.set(page, path);
    page.frontmatter['group'] = groupOf.get(path);
    page.name = titleOf(path);
    page.relevanceBoost = GUIDE_BOOST;
    linkToSource(page.content, path);
  });
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (_, module) => {
    if (!module.kindOf(ReflectionKind.Module)) return;
    module.name = nameOfEntryPoint(module.name);
    module.comment ??= new Comment();
    module.comment.blockTags.push(new CommentTag('@group', [{ kind: 'text', text: 'API' }]));
  });
  app.renderer.on(PageEvent.END, page => {
    // A script adds the icons to each page; from the file system a browser loads them from nowhere else.
    page.contents = (page.contents ?? '').replace(/href="[^"#]*assets\/icons\.svg#/g, 'href="#');
  });
  app.renderer.on(RendererEvent.BEGIN, ({ project }) => {
    if (project.readme) linkToSource(project.readme, 'README.md');
  });
}

/** The title of a page. @param {string} path */
function titleOf(path) {
  const { prose } = readMarkdown(readFileSync(`${ROOT}${path}`, 'utf8'));
  const title = prose.map(({ text }) => /^# (.+)$/.exec(text)?.[1]).find(text => text !== undefined);
  if (title === undefined) throw new Error(`${path} has no title: a line that begins with "# "`);
  return title.replaceAll('`', '');
}

/** `drone-task-queue/store` for `src/store`. @param {string} name */
function nameOfEntryPoint(name) {
  return posix.join(PACKAGE.name, name.replace(/^src\/?/, '').replace(/(^|\/)index$/, ''));
}

/** Links to anything but a page lead to the repository. @param {import('typedoc').CommentDisplayPart[]} parts @param {string} path */
function linkToSource(parts, path) {
  for (const [at, part] of parts.entries()) {
    if (part.kind !== 'relative-link' || /\.md(#|$)/.test(part.text)) continue;
    const target = posix.join(posix.dirname(path), part.text);
    parts[at] = { kind: 'text', text: `${SOURCE}/blob/main/${target}` };
  }
}

/**
 * TypeDoc reads a heading's words from the text in it, but not from code: `## run` in backticks would have no anchor.
 *
 * @typedef {{ type: string, content: string, children: Token[] | null }} Token
 * @typedef {{ tokens: Token[], Token: new (type: string, tag: string, nesting: number) => Token }} State
 * @param {{ core: { ruler: { push(name: string, rule: (state: State) => void): void } } }} parser A markdown-it.
 */
function showCodeInHeadings(parser) {
  parser.core.ruler.push('code-in-headings', ({ tokens, Token }) => {
    for (const [at, { type }] of tokens.entries()) {
      if (type !== 'heading_open') continue;
      for (const child of tokens[at + 1]?.children ?? []) {
        if (child.type !== 'code_inline') continue;
        const text = new Token('text', '', 0);
        text.content = child.content;
        child.children = [text];
      }
    }
  });
}
