// docs/options.md and a page for each entry point: what each option may be and its default from the option tables (dist/), what it
// means from the doc comments of the interfaces beside them (src/).
import ts from 'typescript';
import { docOf, entryPointOf, GENERATED, nodesThat, paragraphsOf, ROOT, sources, tableOf } from './source.js';

const HEAD = `# Options

Every public options object is checked when you pass it, before anything starts. A misspelt name, or a value that has
the wrong type or is out of range, is refused with a TypeError whose \`code\` is \`ERR_INVALID_ARG\` and whose message
names the option.

Options whose names end in \`Ms\` are in milliseconds. An option that is \`undefined\` counts as absent.

${GENERATED}
`;

/** Pages, each with the options of some files of src/; a file is on the first that fits. @type {[page: string, title: string, files: RegExp][]} */
const PAGES = [
  ['drones', 'drones and SSH', /^queue\/(drone\/(local|ssh)-drone|transport\/)/],
  ['queue', 'queues, rounds and calls', /^(queue|report)\//],
  ['scheduler', 'tick loop and drone manager', /^scheduler\//],
  ['store', 'store', /^store\//],
  ['executor', 'executor, repositories and jobs', /^executor\//],
  ['tenants', 'tenants and their layouts', /^tenants\//],
  ['shard', 'shards and their master', /^shard\//],
  ['testing', 'fakes for tests', /^testing\//],
];

/**
 * An exported option table, and the interface that it satisfies.
 *
 * @typedef {{ name: string, file: string, of: string, rows: Readonly<Record<string, { expected: string, absent?: string }>> }} OptionTable
 */

/** @returns {Promise<OptionTable[]>} */
export async function optionTables() {
  const tables = [];
  for (const source of sources()) {
    for (const statement of source.statements) {
      if (!ts.isVariableStatement(statement) || !ts.getModifiers(statement)?.length) continue;
      const { name, initializer } = statement.declarationList.declarations[0] ?? {};
      if (!initializer || !ts.isSatisfiesExpression(initializer) || !ts.isTypeReferenceNode(initializer.type)) continue;
      if (initializer.type.typeName.getText() !== 'Table') continue;
      const [of] = initializer.type.typeArguments ?? [];
      const module = await import(new URL(`dist/${source.fileName.replace(/ts$/, 'js')}`, ROOT).href);
      const table = name?.getText() ?? '';
      const interfaceName = of && ts.isTypeReferenceNode(of) ? of.typeName.getText() : '';
      tables.push({ name: table, file: source.fileName, of: interfaceName, rows: module[table] });
    }
  }
  return tables;
}

/**
 * An options object of the public API.
 *
 * @typedef {{ name: string, meaning: string, expected: string, absent: string | undefined }} OptionRow
 * @typedef {{ file: string, of: string, doc: string, parents: string[], rows: OptionRow[] }} Options
 */

/** Each option of each public table, with its doc comment. @returns {Promise<Options[]>} */
export async function options() {
  const interfaces = new Map(nodesThat(ts.isInterfaceDeclaration).map(each => [each.name.text, each]));
  const named = (await optionTables()).filter(({ of }) => of !== '');
  return named.map(({ file, of, rows }) => {
    const found = interfaces.get(of);
    const parents = (found?.heritageClauses ?? []).flatMap(({ types }) => types.map(type => type.expression.getText()));
    const own = [...(found?.members ?? [])].flatMap(member => {
      const name = member.name?.getText() ?? '';
      const row = rows[name];
      return row === undefined ? [] : [{ name, meaning: docOf(member), expected: row.expected, absent: row.absent }];
    });
    return { file, of, doc: found ? paragraphsOf(found).join('\n\n') : '', parents, rows: own };
  });
}

/** All pages, by their paths. @returns {Promise<Map<string, string>>} */
export async function pages() {
  const all = await options();
  const pageOf = new Map(all.map(each => [each.of, PAGES.find(([, , files]) => files.test(each.file))?.[0]]));
  const homeless = all.filter(({ of }) => pageOf.get(of) === undefined).map(({ file }) => file);
  if (homeless.length > 0) throw new Error(`the options of ${homeless.join(', ')} are on no page: add one to PAGES`);
  /** @type {Map<string, string>} */
  const texts = new Map();
  const index = [];
  for (const [page, title] of PAGES) {
    const some = all.filter(({ of }) => pageOf.get(of) === page);
    const sections = some.map(each => sectionOf(each, parent => linkTo(parent, page, pageOf.get(parent))));
    const entries = [...new Set(some.map(({ of }) => entryPointOf(of) ?? ''))].map(entry => `\`${entry}\``);
    const from = entries.join(', ');
    const head = `# Options: ${title}\n\nImport path: ${from}. [All options](../options.md). ${GENERATED}\n`;
    texts.set(`docs/options/${page}.md`, [head, ...sections].join('\n'));
    const links = some.map(({ of }) => `[${of}](options/${page}.md#${of.toLowerCase()})`);
    index.push([from, `[${title}](options/${page}.md)`, links.join(', ')]);
  }
  return new Map([
    ['docs/options.md', [HEAD, tableOf(['import path', 'page', 'options of'], index)].join('\n')],
    ...texts,
  ]);
}

/** @param {string} name @param {string} from @param {string | undefined} page */
function linkTo(name, from, page) {
  if (page === undefined) return name;
  return `[${name}](${page === from ? '' : `${page}.md`}#${name.toLowerCase()})`;
}

/** @param {Options} options @param {(parent: string) => string} link */
function sectionOf({ of, doc, parents, rows }, link) {
  const inherited = parents.length === 0 ? [] : [`Also takes all of ${parents.map(link).join(' and ')}.\n`];
  const cells = rows.map(row => [`\`${row.name}\``, row.expected, ...defaultAndMeaning(row)]);
  const table = tableOf(['option', 'value', 'default', 'meaning'], cells);
  return [`## ${of}\n`, ...(doc === '' ? [] : [`${doc}\n`]), ...inherited, table].join('\n');
}

/** The default as the doc comment states it, else as the table does. @param {OptionRow} row */
function defaultAndMeaning({ meaning, absent = '' }) {
  const stated = / ?\bDefault:? (.+?)\.(?= |$)/.exec(meaning);
  if (stated === null) return [absent, meaning];
  const [sentence, value = ''] = stated;
  return [value, meaning.replace(sentence, '').trim()];
}
