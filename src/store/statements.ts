/** Blanks, empty statements, opening parentheses, and line comments, whose ends differ by database. */
const BLANK: Readonly<Record<Comments, RegExp>> = {
  flat: /(?:[\s(;]|--[^\n]*(?:\n|$))*/y,
  nested: /(?:[\s(;]|--[^\n\r]*(?:[\n\r]|$))*/y,
};
const WORD = /\w*/y;

/** `flat` in SQLite; `nested` in PostgreSQL, where a comment may hold others. */
export type Comments = 'flat' | 'nested';

/** The first words of a statement, in capitals, with one blank between them. */
export function firstWords(sql: string, comments: Comments, count = 2): string {
  let at = 0;
  const word = (): string => {
    at = afterBlanks(sql, at, comments);
    WORD.lastIndex = at;
    const found = WORD.exec(sql)?.[0] ?? '';
    at += found.length;
    return found;
  };
  return Array.from({ length: count }, word).join(' ').trim().toUpperCase();
}

/** An SQLite text, blanks in place of its comments. */
export function withoutComments(sql: string): string {
  return sql.replace(SQLITE_TOKENS, token => (/^(--|\/\*)/.test(token) ? ' ' : token)).trim();
}

function afterBlanks(sql: string, start: number, comments: Comments): number {
  let at = start;
  for (;;) {
    const blank = BLANK[comments];
    blank.lastIndex = at;
    at += blank.exec(sql)?.[0].length ?? 0;
    if (!sql.startsWith('/*', at)) return at;
    at = afterComment(sql, at, comments);
  }
}

/** An unclosed comment goes to the end of the text. */
function afterComment(sql: string, start: number, comments: Comments): number {
  const borders = /\/\*|\*\//g;
  borders.lastIndex = start + 2;
  let depth = 1;
  while (depth > 0) {
    const border = borders.exec(sql)?.[0];
    if (border === undefined) return sql.length;
    if (border === '*/') depth--;
    else if (comments === 'nested') depth++;
  }
  return borders.lastIndex;
}

/** Strings and names in their quotes, comments, and the ends of statements, for SQLite. */
const SQLITE_TOKENS = /'[^']*'|"[^"]*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|\/\*[^]*?\*\/|;/g;

/** Whether an SQLite text holds several statements, of which SQLite would silently run only the first. */
export function holdsSeveral(sql: string): boolean {
  // A trigger's body holds statements.
  if (/^CREATE (TRIGGER|TEMP|TEMPORARY)$/.test(firstWords(sql, 'flat'))) return false;
  for (const { 0: token, index } of sql.matchAll(SQLITE_TOKENS)) {
    if (token === ';') return firstWords(sql.slice(index), 'flat') !== '';
  }
  return false;
}
