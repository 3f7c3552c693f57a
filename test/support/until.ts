/** Waits for what comes to pass elsewhere: in another process, or on the network. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

const PATIENCE_MS = 60_000;
const POLL_MS = 10;

/** Resolves once the condition holds; rejects when it does not for so long that it never will. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const lastMs = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    assert.ok(performance.now() < lastMs, `it never came to pass that ${holds.toString()}`);
    await delay(POLL_MS);
  }
}
