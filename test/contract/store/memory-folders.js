/** Where the databases lie that stores of this process keep in memory. */
import { readdirSync, readlinkSync } from 'node:fs';
import { dirname } from 'node:path';

/** @returns {string[]} */
export function openFolders() {
  const files = readdirSync('/proc/self/fd').map(targetOf);
  return [...new Set(files.filter(file => file.includes('/drone-store-')).map(file => dirname(file)))];
}

/** @param {string} fd */
function targetOf(fd) {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch (error) {
    // Closed since it was listed.
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return '';
    throw error;
  }
}
