/** What PostgreSQL's complaints mean to a section. The codes are those of the manual's appendix A. */
import type { FailureKind } from '../engine.js';

/** A connection is gone, or could not be made. `cause` is what PostgreSQL or the network said. */
export class ConnectionLostError extends Error {
  override readonly name = 'ConnectionLostError';
  /** The code of the cause, where it has one: `57P01`, `ECONNRESET`. */
  readonly code: string | undefined;

  constructor(message: string, cause: unknown) {
    super(`${message}: ${said(cause)}`, { cause });
    this.code = factsOf(cause).code;
  }
}

/** What pg's DatabaseError tells, as far as it matters here. */
interface Facts {
  readonly code?: string | undefined;
  readonly severity?: string | undefined;
  /** The function of the server's source that complained; not translated, as messages are. */
  readonly routine?: string | undefined;
}

/** The server says so as it ends the connection. 08P01 is not among them: it may also be a wrong number of values. */
const LAST_WORDS = new Set([
  '08000', '08001', '08003', '08004', '08006', '08007', '25P03', '25P04', '57P01', '57P02', '57P04', '57P05',
]); // prettier-ignore
const FATAL = new Set(['FATAL', 'PANIC']);

const KINDS: Readonly<Record<string, FailureKind>> = {
  '25006': 'read-only',
  '40001': 'conflict',
  '40P01': 'conflict',
  // A lock was not had within lock_timeout; too many connections; the server is starting or stopping.
  '55P03': 'busy',
  '53300': 'busy',
  '57P03': 'busy',
};

/** Said of all that comes too late in a transaction, or is for none: of the way from READ ONLY to READ WRITE, by this one. */
const TOO_LATE = '25001';
const CHECKS_READ_ONLY = 'call_bool_check_hook';

export function kindOf(error: unknown): FailureKind {
  if (error instanceof ConnectionLostError) return 'lost';
  const { code = '', routine = '' } = factsOf(error);
  if (code === TOO_LATE && routine === CHECKS_READ_ONLY) return 'read-only';
  return KINDS[code] ?? 'statement';
}

/** Whether the server takes no more connections for now, of which it may have more in a while. */
export function isBusy(error: unknown): boolean {
  return kindOf(error) === 'busy';
}

/** Whether the server has said it. */
export function isOfServer(error: unknown): boolean {
  return factsOf(error).severity !== undefined;
}

/** Whether nothing comes over this connection after this complaint. */
export function endsConnection(error: unknown): boolean {
  const { code = '', severity = '' } = factsOf(error);
  return LAST_WORDS.has(code) || FATAL.has(severity);
}

/** The message, or the code of an error that has none, as one of several addresses that all refused. */
export function said(error: unknown): string {
  return error instanceof Error ? error.message || (factsOf(error).code ?? error.name) : String(error);
}

function factsOf(error: unknown): Facts {
  return error instanceof Error ? (error as Facts) : {};
}
