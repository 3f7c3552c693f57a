/** Names where a pid means the same: a host or, within it, a container. */
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

const MACHINE_ID = '/etc/machine-id';
const NOT_TO_BE_READ: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM']);

/**
 * Twelve hexadecimal digits. Hosts of one name differ by their machine-id: the first pid namespace has the same number on all.
 * Where there is none (macOS), hosts have to differ by their names.
 */
export function machine(idFile: string = MACHINE_ID): string {
  const parts = [hostname(), pidNamespace(), machineId(idFile)];
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 12);
}

/** Throws what does not say that there is none, such as EMFILE: the name would be another one. */
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
