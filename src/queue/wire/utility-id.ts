/** What calls name a user's utility module by. */
import { createHash } from 'node:crypto';

/** A longer URL, such as a data: one that holds the module, would have to travel with every call. */
const MAX_ID_CHARS = 500;
const KEPT_CHARS = 64;

/** The module's URL; of a long one the beginning, and a hash of the whole. */
export function utilityIdOf(href: string): string {
  if (href.length <= MAX_ID_CHARS) return href;
  return `${href.slice(0, KEPT_CHARS)}#${createHash('sha256').update(href).digest('base64url')}`;
}
