/** Whether a record, the database or this program is to blame for a failed section. */
import { ContextSwitchError } from '../../wait/section-guard.js';
import { StoreError, type StoreErrorCode } from '../../store/store-error.js';
import { RecordError } from '../records/record-error.js';

/** Defects of this program. */
const DEFECTS = [TypeError, RangeError, ReferenceError, SyntaxError, ContextSwitchError];

/** Defects, and states that do not pass. */
const LASTING: readonly StoreErrorCode[] = [
  'ERR_STORE_CLOSED',
  'ERR_READ_ONLY',
  'ERR_UNAWAITED_WORK',
  'ERR_SECTION_NESTING',
  'ERR_STATEMENT_REFUSED',
];

/** These fail one record only: another section was in its way, or the database refused it at commit. */
const OF_ONE_SECTION: readonly StoreErrorCode[] = ['ERR_COMMIT_FAILED', 'ERR_CONFLICT'];

const SQLITE_CONSTRAINT = 19;
/** PostgreSQL's classes of data exceptions and constraint violations. */
const POSTGRES_DATA = /^2[23]/;

/** Whether a later try may succeed: a database may be away, full or read-only for a while. */
export function isPassing(error: unknown): error is Error {
  if (error instanceof StoreError) return !LASTING.includes(error.code);
  return error instanceof Error && !DEFECTS.some(defect => error instanceof defect);
}

/** Whether the record is wrong: its fields, or what they point to. */
export function isOfRecord(error: unknown): boolean {
  if (error instanceof RecordError) return true;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  if (typeof errcode === 'number') return (errcode & 0xff) === SQLITE_CONSTRAINT;
  return typeof code === 'string' && POSTGRES_DATA.test(code);
}

/** Whether other sections may still succeed. */
export function isOfOneSection(error: unknown): boolean {
  return !(error instanceof StoreError) || OF_ONE_SECTION.includes(error.code);
}
