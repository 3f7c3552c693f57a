/** Whose fault it is when a section fails: a record's, the database's, or this program's. */
import { ContextSwitchError } from '../../wait/section-guard.js';
import { StoreError, type StoreErrorCode } from '../../store/store-error.js';
import { RecordError } from '../records/record-error.js';

/** Of this program, whatever the record or the database says. */
const DEFECTS = [TypeError, RangeError, ReferenceError, SyntaxError, ContextSwitchError];

/** As DEFECTS, and what does not pass. */
const LASTING: readonly StoreErrorCode[] = [
  'ERR_STORE_CLOSED',
  'ERR_READ_ONLY',
  'ERR_UNAWAITED_WORK',
  'ERR_SECTION_NESTING',
  'ERR_STATEMENT_REFUSED',
];

/** With these one record fails, and the next one may fare better: others were in its way, or the database refused it late. */
const OF_ONE_SECTION: readonly StoreErrorCode[] = ['ERR_COMMIT_FAILED', 'ERR_CONFLICT'];

const SQLITE_CONSTRAINT = 19;
/** PostgreSQL's classes of data that are wrong, and of what constraints forbid. */
const POSTGRES_DATA = /^2[23]/;

/** Whether it may be otherwise the next time: a database may be away, full or read-only for a while. */
export function isPassing(error: unknown): error is Error {
  if (error instanceof StoreError) return !LASTING.includes(error.code);
  return error instanceof Error && !DEFECTS.some(defect => error instanceof defect);
}

/** Whether the record is wrong, by its fields or by what the database knows of what it points to. */
export function isOfRecord(error: unknown): boolean {
  if (error instanceof RecordError) return true;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  if (typeof errcode === 'number') return (errcode & 0xff) === SQLITE_CONSTRAINT;
  return typeof code === 'string' && POSTGRES_DATA.test(code);
}

/** Whether only the section that has failed can be told not to have gone well. */
export function isOfOneSection(error: unknown): boolean {
  return !(error instanceof StoreError) || OF_ONE_SECTION.includes(error.code);
}
