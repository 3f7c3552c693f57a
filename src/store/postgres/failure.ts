/** What PostgreSQL's errors mean to a section. The codes are in appendix A of its manual. */
import type { FailureKind } from '../engine.js';

/** A connection is gone, or could not be made. `cause` is the error of PostgreSQL or the network. */
export class ConnectionLostError extends Error {
  override readonly name = 'ConnectionLostError';
  /** The code of the cause, where it has one: `57P01`, `ECONNRESET`. */
  readonly code: string | undefined;

  constructor(message: string, cause: unknown) {
    super(`${message}: ${said(cause)}`, { cause });
    this.code = factsOf(cause).code;
  }
}

/** Used fields of pg's DatabaseError. */
interface Facts {
  readonly code?: string | undefined;
  readonly severity?: string | undefined;
  /** The function in the server's source, which is not translated as messages are. */
  readonly routine?: string | undefined;
}

/** The server sends them as it ends the connection. Without 08P01, which may also be a wrong number of values. */
const LAST_WORDS = new Set([
  '08000', '08001', '08003', '08004', '08006', '08007', '25P03', '25P04', '57P01', '57P02', '57P04', '57P05',
]); // prettier-ignore
const FATAL = new Set(['FATAL', 'PANIC']);

const KINDS: Readonly<Record<string, FailureKind>> = {
  '25006': 'read-only',
  '40001': 'conflict',
  '40P01': 'conflict',
  // lock_timeout; too many connections; the server is starting or stopping.
  '55P03': 'busy',
  '53300': 'busy',
  '57P03': 'busy',
};

/** For anything too late in a transaction; with this routine, the way from READ ONLY to READ WRITE. */
const TOO_LATE = '25001';
const CHECKS_READ_ONLY = 'call_bool_check_hook';

export function kindOf(error: unknown): FailureKind {
  if (error instanceof ConnectionLostError) return 'lost';
  const { code = '', routine = '' } = factsOf(error);
  if (code === TOO_LATE && routine === CHECKS_READ_ONLY) return 'read-only';
  return KINDS[code] ?? 'statement';
}

/** Whether the server itself sent the error. */
export function isOfServer(error: unknown): boolean {
  return factsOf(error).severity !== undefined;
}

/** Whether the connection is of no use after this error. */
export function endsConnection(error: unknown): boolean {
  const { code = '', severity = '' } = factsOf(error);
  return LAST_WORDS.has(code) || FATAL.has(severity);
}

/** The message; or the code of an error without one, such as of several addresses that all refused. */
export function said(error: unknown): string {
  return error instanceof Error ? error.message || (factsOf(error).code ?? error.name) : String(error);
}

function factsOf(error: unknown): Facts {
  return error instanceof Error ? (error as Facts) : {};
}
