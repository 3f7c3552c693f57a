// What users can rely on: what each entry point exports with its members, error codes, event channels and metrics. The test
// of the surface compares it with test/recorded/surface.json, so that nothing gets lost or is added unseen. Run as a program
// (`node scripts/surface.js`, needs dist/) it writes that file.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import ts from 'typescript';
import { fixedName, metricRows } from './docs/observability.js';

const ROOT = new URL('..', import.meta.url);
export const RECORDED = new URL('test/recorded/surface.json', ROOT);

/**
 * @typedef {object} Surface
 * @property {Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>} exports by entry point and name
 * @property {readonly string[]} codes
 * @property {readonly string[]} events
 * @property {readonly string[]} metrics Names without prefix and variable part.
 */

/** @returns {Promise<Surface>} */
export async function readSurface() {
  const { exports: entries } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8'));
  /** @type {[string, string][]} */
  const doors = Object.entries(entries).flatMap(([name, entry]) =>
    typeof entry === 'string' ? [] : [[name, fileURLToPath(new URL(entry.types, ROOT))]],
  );
  const texts = readdirSync(new URL('src/', ROOT), { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.ts'))
    .map(path => readFileSync(new URL(`src/${path}`, ROOT), 'utf8'));
  return {
    exports: readExports(doors),
    codes: matches(texts, /'(ERR_[A-Z_]+)'/g),
    events: await readEvents(doors.map(([name]) => name)),
    metrics: [...new Set(metricRows().map(fixedName))].sort(),
  };
}

/** @param {readonly string[]} texts @param {RegExp} pattern */
function matches(texts, pattern) {
  const found = texts.flatMap(text => [...text.matchAll(pattern)].map(match => String(match[1])));
  return [...new Set(found)].sort();
}

/** @param {readonly string[]} doors */
async function readEvents(doors) {
  /** @type {string[]} */
  const names = [];
  for (const door of doors) {
    /** @type {{ events?: Readonly<Record<string, string>> }} */
    const { events = {} } = await import(`drone-task-queue${door.slice(1)}`);
    names.push(...Object.values(events));
  }
  return [...new Set(names)].sort();
}

/** @param {readonly [name: string, path: string][]} doors */
function readExports(doors) {
  const options = {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    types: ['node'],
    skipLibCheck: true,
  };
  const program = ts.createProgram(
    doors.map(([, path]) => path),
    options,
  );
  const checker = program.getTypeChecker();
  return Object.fromEntries(
    doors.map(([name, path]) => {
      const file = program.getSourceFile(path);
      const symbol = file && checker.getSymbolAtLocation(file);
      if (symbol === undefined) throw new Error(`${path} exports nothing`);
      const exported = checker.getExportsOfModule(symbol).map(each => [each.name, membersOf(checker, each)]);
      return [name, Object.fromEntries(exported.sort())];
    }),
  );
}

/**
 * Public members of a class or an object type, or the literals of a union.
 * @param {ts.TypeChecker} checker
 * @param {ts.Symbol} exported
 */
function membersOf(checker, exported) {
  const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
  const isType = (symbol.flags & ts.SymbolFlags.Type) !== 0;
  const isClass = (symbol.flags & ts.SymbolFlags.Class) !== 0;
  const own = isType ? namesIn(checker, checker.getDeclaredTypeOfSymbol(symbol)) : [];
  const statics = isClass ? namesIn(checker, checker.getTypeOfSymbol(symbol)).map(name => `static ${name}`) : [];
  return [...own, ...statics.filter(name => name !== 'static prototype')].sort();
}

/** @param {ts.TypeChecker} checker @param {ts.Type} type @returns {string[]} */
function namesIn(checker, type) {
  if (type.isUnion())
    return type.types.flatMap(each => (each.isStringLiteral() ? [each.value] : namesIn(checker, each)));
  if ((type.flags & ts.TypeFlags.Object) === 0) return [];
  return type
    .getProperties()
    .filter(property => property.declarations?.some(isOurs))
    .map(({ name }) => name.replace(/^__@(\w+)@\d+$/, '[Symbol.$1]'))
    .filter(name => !name.includes('#'));
}

/** Not what comes from Error, Map and their like. @param {ts.Declaration} declaration */
function isOurs(declaration) {
  const isHidden =
    (ts.getCombinedModifierFlags(declaration) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !== 0;
  return !isHidden && !/\/node_modules\//.test(declaration.getSourceFile().fileName);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const options = await resolveConfig(fileURLToPath(RECORDED));
  const text = await format(JSON.stringify(await readSurface()), { ...options, parser: 'json' });
  writeFileSync(RECORDED, text);
}
