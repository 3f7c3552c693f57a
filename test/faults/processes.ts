/** What the commands of a fault test leave running, found by a mark that only their command lines hold. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isRunning, readGone } from '../support/processes-left.js';

const POLL_MS = 10;
/** For the end of what was told to end, on a busy machine. */
const PATIENCE_MS = 30_000;

/** Seconds for `sleep`, years of them, that no other command names. */
export function newMark(): string {
  return String(randomInt(100_000_000, 1_000_000_000));
}

/** Pids of those that run with the mark in their command line. */
export function processesWith(mark: string): number[] {
  const pids = readdirSync('/proc').filter(name => /^\d+$/.test(name));
  return pids.filter(pid => commandLine(pid).includes(mark)).map(Number).filter(isRunning); // prettier-ignore
}

/** Resolves once it is true. */
export async function until(isIt: () => boolean, what: string): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (!isIt()) {
    assert(performance.now() < deadlineMs, `in vain waited for: ${what}`);
    await delay(POLL_MS);
  }
}

/** Resolves once no process with the mark runs. */
export async function noneLeft(mark: string): Promise<void> {
  await until(() => processesWith(mark).length === 0, `no process with ${mark}`);
}

/** Ends those that are meant to live on. */
export function endAll(mark: string): void {
  for (const pid of processesWith(mark)) readGone(() => process.kill(pid, 'SIGKILL'));
}

function commandLine(pid: string): string {
  return readGone(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? '';
}
