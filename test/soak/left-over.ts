/** What is there that was not before: nothing, once all is closed. */
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { childNames, descriptorNames } from '../support/leak-check.js';
import type { Farm } from './farm.js';
import { childrenOf, commandLineOf, pidsWith } from './processes.js';
import { LINK_SILENCE_MS } from './settings.js';

/** The longest command, the longest silence of an agent that was not cut off, and a slow machine. */
const PATIENCE_MS = 2 * LINK_SILENCE_MS + 30_000;
const POLL_MS = 200;
const BYTES_PER_MB = 2 ** 20;

/** Children, sockets, pipes and threads of this process. */
export function ownThings(): ReadonlySet<string> {
  return new Set([...childNames(), ...descriptorNames()]);
}

/** Of this process, since then; empties itself by waiting. */
export function leftHere(before: ReadonlySet<string>): Promise<string[]> {
  return last(async () => [...ownThings()].filter(name => !before.has(name)).map(withAddresses));
}

/** A socket with its two ends and its state, as the kernel lists them (in hexadecimal), where it is of TCP. */
function withAddresses(name: string): string {
  const inode = /^socket:\[(\d+)\]$/.exec(name)?.[1];
  if (inode === undefined) return name;
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n')) {
    const [, local, remote, state, , , , , , of] = line.trim().split(/\s+/);
    if (of === inode) return `${name} from ${local ?? ''} to ${remote ?? ''}, state ${state ?? ''}`;
  }
  return `${name}, of no connection`;
}

/** On the drones, of the queue's doing; empties itself by waiting. */
export function leftOnDrones({ marker, sshd }: Farm): Promise<string[]> {
  return last(async () => {
    const pids = [...pidsWith(marker), ...(await childrenOf(sshd.pids))];
    return pids.map(pid => `process ${String(pid)} on the drones: ${commandLineOf(pid)}`);
  });
}

async function last(look: () => Promise<string[]>): Promise<string[]> {
  const endMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const left = await look();
    if (left.length === 0 || performance.now() >= endMs) return left;
    await wait(POLL_MS);
  }
}

/**
 * Resident memory of this process, threads included, with no garbage of this thread in it. Two arenas are all that the
 * allocator may have here (`MALLOC_ARENA_MAX`): of sixteen each one grows to its own peak as threads come and go, for half
 * an hour and by 100 MB, which would hide a leak.
 */
export function memoryMb(): number {
  if (!globalThis.gc) throw new Error('the soak measures memory, and needs node --expose-gc');
  globalThis.gc();
  return process.memoryUsage.rss() / BYTES_PER_MB;
}
