// The demo's own utility methods. A self-contained ES module: its text is sent to the agents, which run it.
import { loadavg } from 'node:os';

export function inventory() {
  return { node: process.version, load: loadavg()[0] ?? 0 };
}

/** @param {string} path */
export function checkDisk(path) {
  throw Object.assign(new Error(`no space left on ${path}`), { code: 'ENOSPC' });
}
