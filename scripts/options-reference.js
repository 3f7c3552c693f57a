// The reference of all options, docs/options.md: what each may be and its default from the option tables (dist/), what it means
// from the doc comments of the interfaces beside them (src/). A test compares the page; run as a program, this writes it.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = new URL('..', import.meta.url);
export const PAGE = new URL('docs/options.md', ROOT);

const HEAD = `# Options

What each option may be, its default and its meaning. Every public options object is checked when it is given, before
anything starts: a misspelt name, a value of another type or out of range is refused with a TypeError whose \`code\` is
\`ERR_INVALID_ARG\`.

This page is generated from the source: \`npm run docs\`.
`;

/**
 * An exported option table, and the interface that it satisfies.
 *
 * @typedef {{ name: string, file: string, of: string, rows: Readonly<Record<string, { expected: string, absent?: string }>> }} OptionTable
 * @typedef {{ doc: string, parents: string[], docs: Map<string, string> }} Interface
 */

function sources() {
  return readdirSync(new URL('src/', ROOT), { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.ts'))
    .sort()
    .map(path =>
      ts.createSourceFile(path, readFileSync(new URL(`src/${path}`, ROOT), 'utf8'), ts.ScriptTarget.Latest, true),
    );
}

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

/** @param {import('typescript').Node} node */
function docOf(node) {
  const [doc] = ts.getJSDocCommentsAndTags(node);
  return (ts.getTextOfJSDocComment(doc?.comment) ?? '').replace(/\s+/g, ' ').trim();
}

/** @returns {Map<string, Interface>} */
function interfaces() {
  /** @type {Map<string, Interface>} */
  const found = new Map();
  for (const statement of sources().flatMap(source => [...source.statements])) {
    if (!ts.isInterfaceDeclaration(statement)) continue;
    found.set(statement.name.text, {
      doc: docOf(statement),
      parents: (statement.heritageClauses ?? []).flatMap(({ types }) => types.map(type => type.expression.getText())),
      docs: new Map(statement.members.map(member => [member.name?.getText() ?? '', docOf(member)])),
    });
  }
  return found;
}

/**
 * Each option of each public table, with its doc comment.
 *
 * @typedef {{ name: string, meaning: string, expected: string, absent: string | undefined }} OptionRow
 * @returns {Promise<{ file: string, of: string, doc: string, parents: string[], rows: OptionRow[] }[]>}
 */
export async function options() {
  const known = interfaces();
  const named = (await optionTables()).filter(({ of }) => of !== '');
  return named.map(({ file, of, rows }) => {
    const { doc, parents, docs } = known.get(of) ?? { doc: '', parents: [], docs: new Map() };
    const own = [...docs].flatMap(([name, meaning]) => {
      const row = rows[name];
      return row === undefined ? [] : [{ name, meaning, expected: row.expected, absent: row.absent }];
    });
    return { file, of, doc, parents, rows: own };
  });
}

/** The page, as it should be. */
export async function reference() {
  /** @type {Map<string, string[]>} */
  const doors = new Map();
  for (const { file, of, doc, parents, rows } of await options()) {
    const inherited = parents.map(parent => `All of ${parent}, and:\n\n`);
    const section = [`### ${of}\n\n${doc}\n\n`, ...inherited, ...rows.map(row => `${bullet(row)}\n`)].join('');
    doors.set(doorOf(file), [...(doors.get(doorOf(file)) ?? []), section]);
  }
  const sorted = [...doors].sort(([a], [b]) => (a < b ? -1 : 1));
  return [HEAD, ...sorted.flatMap(([door, sections]) => [`## \`${door}\`\n`, ...sections])].join('\n');
}

/** @param {string} file */
function doorOf(file) {
  const [room = ''] = file.split('/');
  if (room === 'queue' || room === 'report') return 'drone-task-queue';
  return `drone-task-queue/${file.startsWith('tenants/yaml/') ? 'tenants/yaml' : room}`;
}

/** @param {OptionRow} row */
function bullet({ name, meaning, expected, absent }) {
  const isTold = absent === undefined || absent === '' || /\bdefault\b/i.test(meaning);
  const otherwise = absent === 'required' ? 'Required.' : isTold ? '' : `Default: ${absent}.`;
  return `- \`${name}\`: ${[`${expected}.`, meaning, otherwise].filter(part => part !== '').join(' ')}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(PAGE, await reference());
