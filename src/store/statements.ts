/** What a statement is, as far as its text tells. */

/** Blanks, comments, empty statements and opening parentheses; a comment that does not end is none. */
const BEFORE = /^(?:[\s(;]+|--[^\n]*(?:\n|$)|\/\*[^]*?\*\/)*/;

/** The first two words of a statement, in capitals, with one blank between them; empty for what has no words. */
export function firstWords(sql: string): string {
  const start = BEFORE.exec(sql)?.[0].length ?? 0;
  const [, first = '', second = ''] = /^(\w+)(?:\s+(\w+))?/.exec(sql.slice(start, start + 200)) ?? [];
  return `${first} ${second}`.trim().toUpperCase();
}

/** Strings and names in their quotes, comments, and the ends of statements, for SQLite. */
const SQLITE_TOKENS = /'[^']*'|"[^"]*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|\/\*[^]*?\*\/|;/g;

/** Whether an SQLite text holds more than one statement, of which SQLite runs the first without a word. */
export function holdsSeveral(sql: string): boolean {
  // A trigger's body is made of statements.
  if (/^CREATE (TRIGGER|TEMP|TEMPORARY)$/.test(firstWords(sql))) return false;
  for (const { 0: token, index } of sql.matchAll(SQLITE_TOKENS)) {
    if (token === ';') return firstWords(sql.slice(index)) !== '';
  }
  return false;
}
