/** Rules about source text, each a function from files to the sentences that say where they are broken. */
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import ts from 'typescript';

export interface SourceFile {
  /** Relative to the directory that was read, with slashes. */
  readonly path: string;
  readonly text: string;
}

export interface Layer {
  readonly name: string;
  /** Paths, or directories with a slash at the end; `*` stands for any part of a file name. */
  readonly files: readonly string[];
  /** What of the layers below it this one must not import: names of layers, and paths or directories as in `files`. */
  readonly not: readonly string[];
  /** Ends the sentence "…, because". */
  readonly because: string;
}

export interface PackageRule {
  readonly name: string;
  readonly onlyIn: readonly string[];
  readonly because: string;
}

export interface WordRule {
  readonly word: RegExp;
  readonly say: string;
}

interface Import {
  readonly specifier: string;
  /** Path of the imported file in the same directory tree; undefined for a package. */
  readonly target: string | undefined;
}

export function readSources(folder: URL, ending = '.ts'): SourceFile[] {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  return paths
    .filter(path => path.endsWith(ending))
    .map(path => ({ path, text: readFileSync(new URL(path, folder), 'utf8') }));
}

function parse({ path, text }: SourceFile): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
}

function importsOf(file: SourceFile): Import[] {
  const imports: Import[] = [];
  const add = (specifier: ts.Node | undefined): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return;
    const name = specifier.text;
    const target = name.startsWith('.') ? posix.join(posix.dirname(file.path), name) : undefined;
    imports.push({ specifier: name, target: target?.replace(/\.js$/, '.ts') });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
      add(node.moduleSpecifier);
    } else if (ts.isImportTypeNode(node)) {
      add(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0]);
    }
    ts.forEachChild(node, visit);
  };
  visit(parse(file));
  return imports;
}

function matches(path: string, pattern: string): boolean {
  if (pattern.endsWith('/')) return path.startsWith(pattern);
  const [before = '', after] = pattern.split('*');
  if (after === undefined) return path === pattern;
  return path.startsWith(before) && path.endsWith(after) && !path.slice(before.length).includes('/');
}

/**
 * From what knows nothing to what knows all: a file imports its own layer and those before it, but for what its layer
 * excludes. Each file is in the first layer that names it. Imports of types count: who knows a type knows the file.
 */
export function layerBreaches(files: readonly SourceFile[], layers: readonly Layer[]): string[] {
  const layerOf = (path: string): Layer | undefined =>
    layers.find(layer => layer.files.some(pattern => matches(path, pattern)));
  const breaches: string[] = [];
  for (const file of files) {
    const from = layerOf(file.path);
    if (from === undefined) {
      breaches.push(`${file.path} is in no layer: say in the table where it stands on a call's way`);
      continue;
    }
    for (const { target } of importsOf(file)) {
      if (target === undefined) continue;
      const to = files.some(({ path }) => path === target) ? layerOf(target) : undefined;
      if (to === undefined) {
        breaches.push(`${file.path} imports ${target}, which is not a source file in a layer`);
      } else if (to !== from && (layers.indexOf(to) > layers.indexOf(from) || isExcluded(from, to, target))) {
        breaches.push(
          `${file.path} (${from.name}) imports ${target} (${to.name}), which it must not, because ${from.because}`,
        );
      }
    }
  }
  return breaches;
}

function isExcluded({ not }: Layer, to: Layer, target: string): boolean {
  return not.some(each => each === to.name || matches(target, each));
}

/** The table itself: what a layer excludes must be there, or it excludes nothing. */
export function tableBreaches(files: readonly SourceFile[], layers: readonly Layer[]): string[] {
  return layers.flatMap(({ name, not }, index) => {
    const lower = layers.slice(0, index).map(layer => layer.name);
    return not
      .filter(each => !lower.includes(each) && !files.some(({ path }) => matches(path, each)))
      .map(each => `layer ${name} excludes ${each}, which is neither a file nor a layer before it in the table`);
  });
}

export function packageBreaches(files: readonly SourceFile[], rules: readonly PackageRule[]): string[] {
  const breaches: string[] = [];
  for (const file of files) {
    for (const { specifier, target } of importsOf(file)) {
      if (target !== undefined || specifier.startsWith('node:')) continue;
      const rule = rules.find(({ name }) => specifier === name || specifier.startsWith(`${name}/`));
      if (rule === undefined) {
        breaches.push(`${file.path} imports ${specifier}, which is not a dependency in the table`);
      } else if (!rule.onlyIn.some(pattern => matches(file.path, pattern))) {
        breaches.push(
          `${file.path} imports ${specifier}, which only ${rule.onlyIn.join(', ')} may, because ${rule.because}`,
        );
      }
    }
  }
  return breaches;
}

/** Cycles of imports, those of types among them: files that name each other's types can only be read together. */
export function cycleBreaches(files: readonly SourceFile[]): string[] {
  const edges = new Map(
    files.map(file => [file.path, importsOf(file).flatMap(({ target }) => (target === undefined ? [] : [target]))]),
  );
  const done = new Set<string>();
  const breaches: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      breaches.push(`${[...trail.slice(start), path].join(' → ')}: a cycle has no first file to read or to load`);
      return;
    }
    if (done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  return breaches;
}

export function sizeBreaches(files: readonly SourceFile[], maxLines: number): string[] {
  return files.flatMap(({ path, text }) => {
    const lines = text.trimEnd().split('\n').length;
    const why = 'the one file that swallows the rest makes the others hard';
    return lines > maxLines ? [`${path} has ${String(lines)} lines, more than ${String(maxLines)}: ${why}`] : [];
  });
}

/** An entry point is a map: named exports from elsewhere and nothing else. */
export function mapBreaches(file: SourceFile): string[] {
  return parse(file).statements.flatMap(statement => {
    if (ts.isExportDeclaration(statement) && statement.moduleSpecifier !== undefined) {
      if (statement.exportClause !== undefined && ts.isNamedExports(statement.exportClause)) return [];
      return [`${file.path}: "${statement.getText()}" does not name what it exports, so it cannot be read there`];
    }
    const start = statement.getText().split('\n')[0] ?? '';
    return [`${file.path}: "${start}" is not an export from elsewhere: an entry point is a map, without logic`];
  });
}

/** Packages whose types someone needs who compiles against the `.d.ts` files reachable from `entries`. */
export function packagesInTypes(files: readonly SourceFile[], entries: readonly string[]): string[] {
  const packages = new Set<string>();
  const toRead = [...entries];
  const seen = new Set(toRead);
  for (let path = toRead.pop(); path !== undefined; path = toRead.pop()) {
    const file = files.find(each => each.path === path);
    if (file === undefined) throw new Error(`${path} is not among the files read`);
    for (const { specifier, target } of importsOf(file)) {
      if (target === undefined) {
        if (!specifier.startsWith('node:')) packages.add(specifier);
        continue;
      }
      const declaration = target.replace(/\.ts$/, '.d.ts');
      if (!seen.has(declaration)) toRead.push(declaration);
      seen.add(declaration);
    }
  }
  return [...packages].sort();
}

function linesWith(file: SourceFile, found: (line: string) => string | undefined): string[] {
  return file.text.split('\n').flatMap((line, index) => {
    const breach = found(line);
    return breach === undefined ? [] : [`${file.path}:${String(index + 1)}: ${breach}`];
  });
}

export function wordBreaches(files: readonly SourceFile[], rules: readonly WordRule[]): string[] {
  return files.flatMap(file =>
    linesWith(file, line => {
      const rule = rules.find(({ word }) => word.test(line));
      return rule && `avoid "${String(line.match(rule.word)?.[0])}": ${rule.say}`;
    }),
  );
}

/** A lint exception without its reason on the line. */
export function exceptionBreaches(files: readonly SourceFile[]): string[] {
  return files.flatMap(file =>
    linesWith(file, line =>
      /(\/\/|\/\*)\s*eslint-disable(?!.* -- [^*\s])/.test(line)
        ? 'a lint exception says why: " -- " and the reason'
        : undefined,
    ),
  );
}
