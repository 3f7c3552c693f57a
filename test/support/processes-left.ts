/** What a test asks of the system about processes and directories of its own. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestContext } from 'node:test';

/** Much longer than anything here takes on a busy machine. */
const PATIENCE_MS = 60_000;

/** Whether a process runs. One that has ended but was not yet reaped does not. */
export function isRunning(pid: number): boolean {
  const stat = readGone(() => readFileSync(`/proc/${String(pid)}/stat`, 'utf8'));
  return stat !== undefined && !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
}

/** Undefined when the process or descriptor has gone: before its file was opened, or between that and the read. */
export function readGone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}

/** Waits until none of them runs any more. */
export async function allGone(pids: readonly number[]): Promise<void> {
  for (const endMs = performance.now() + PATIENCE_MS; pids.some(isRunning); await delay(20)) {
    assert(performance.now() < endMs, `of ${pids.join()} there still run ${pids.filter(isRunning).join()}`);
  }
}

/** Ends what a test started outside of an agent's care. */
export function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
