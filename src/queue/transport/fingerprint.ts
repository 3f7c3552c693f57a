import { createHmac, randomBytes } from 'node:crypto';

let salt: Buffer | undefined;

/**
 * Distinguishes endpoints by all their fields, secrets included. Salted per process, so that a logged key cannot be
 * used to guess passwords.
 */
export function fingerprintOf(fields: unknown): string {
  salt ??= randomBytes(32);
  return createHmac('sha256', salt).update(JSON.stringify(fields)).digest('base64url').slice(0, 22);
}
