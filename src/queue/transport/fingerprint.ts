/** Telling things apart by fields that must not be seen. */
import { createHmac, randomBytes } from 'node:crypto';

let salt: Buffer | undefined;

/**
 * Tells endpoints apart by all that matters to them, secrets included. Salted anew in each process, so that a key seen in
 * a log is no means to try passwords against.
 */
export function fingerprintOf(fields: unknown): string {
  salt ??= randomBytes(32);
  return createHmac('sha256', salt).update(JSON.stringify(fields)).digest('base64url').slice(0, 22);
}
