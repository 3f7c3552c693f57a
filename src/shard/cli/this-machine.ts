/** Whether what goes to a host stays on this machine. */
import { isIPv4 } from 'node:net';

/** A hostname as a URL has it, or an address. */
export function isThisMachine(hostname: string): boolean {
  if (isIPv4(hostname)) return hostname.startsWith('127.');
  return ['localhost', '[::1]', '::1'].includes(hostname.toLowerCase());
}
