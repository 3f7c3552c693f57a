import { isIPv4 } from 'node:net';

/** Whether a URL's hostname, or an address, is this machine's own. */
export function isThisMachine(hostname: string): boolean {
  if (isIPv4(hostname)) return hostname.startsWith('127.');
  return ['localhost', '[::1]', '::1'].includes(hostname.toLowerCase());
}
