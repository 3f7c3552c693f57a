/** Names of users' utility modules in calls. */
import { createHash } from 'node:crypto';

/** A longer URL, such as a data: URL, would travel with every call. */
const MAX_ID_CHARS = 500;
const KEPT_CHARS = 64;

/** The module's URL, or of a long one its start and a hash. */
export function utilityIdOf(href: string): string {
  if (href.length <= MAX_ID_CHARS) return href;
  return `${href.slice(0, KEPT_CHARS)}#${createHash('sha256').update(href).digest('base64url')}`;
}
