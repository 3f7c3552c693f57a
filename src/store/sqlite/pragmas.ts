/** PRAGMAs that only read, and leave the connection as it is. */

/** Their argument, if any, is what they are about. */
const ABOUT = [
  'collation_list',
  'compile_options',
  'database_list',
  'foreign_key_check',
  'foreign_key_list',
  'function_list',
  'index_info',
  'index_list',
  'index_xinfo',
  'integrity_check',
  'module_list',
  'pragma_list',
  'quick_check',
  'table_info',
  'table_list',
  'table_xinfo',
];
/** With a value they would set it. */
const VALUES = [
  'application_id',
  'auto_vacuum',
  'busy_timeout',
  'data_version',
  'encoding',
  'foreign_keys',
  'freelist_count',
  'journal_mode',
  'journal_size_limit',
  'max_page_count',
  'page_count',
  'page_size',
  'query_only',
  'recursive_triggers',
  'schema_version',
  'synchronous',
  'user_version',
];

/** `PRAGMA schema.name(…)` or `= …`; the schema may be quoted. */
const PRAGMA =
  /^\W*(?:EXPLAIN\s+(?:QUERY\s+PLAN\s+)?)?PRAGMA\s+(?:(?:\w+|"[^"]*"|`[^`]*`|\[[^\]]*\])\s*\.\s*)?(\w+)\s*([=(]?)/i;

/** Of one statement without comments. */
export function isReadingPragma(text: string): boolean {
  const [, name = '', value] = PRAGMA.exec(text) ?? [];
  return ABOUT.includes(name.toLowerCase()) || (value === '' && VALUES.includes(name.toLowerCase()));
}
