/** Names the scope of a pid: a host or a container. */
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

const MACHINE_ID = '/etc/machine-id';
const NOT_TO_BE_READ: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM']);

/**
 * Twelve hexadecimal digits. Hosts with the same name differ by machine-id, because the first pid namespace has the same
 * number everywhere. Without a machine-id (macOS), hosts have to differ by name.
 */
export function machine(idFile: string = MACHINE_ID): string {
  const parts = [hostname(), pidNamespace(), machineId(idFile)];
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 12);
}

/** Throws on errors that do not mean absence, such as EMFILE, which would change the name. */
function machineId(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (NOT_TO_BE_READ.has((error as NodeJS.ErrnoException).code)) return '';
    throw error;
  }
}

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    // Not on Linux: there are none.
    return '';
  }
}
