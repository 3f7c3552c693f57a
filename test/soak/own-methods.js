/** The soak's own utility methods. They leave the same marks in the drone's ledger as its commands do. */
import { appendFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

/** @param {string} ledger @param {string} id @param {number} ms */
export async function mark(ledger, id, ms) {
  appendFileSync(ledger, `${id} start\n`);
  await wait(ms);
  appendFileSync(ledger, `${id} end\n`);
  return id;
}

/** @param {string} ledger @param {string} id */
export function markAndThrow(ledger, id) {
  appendFileSync(ledger, `${id} start\n`);
  throw new Error(`thrown by ${id}`);
}

/** Never ends by itself, nor lets anything else happen in its thread. @param {string} ledger @param {string} id */
export function markAndSpin(ledger, id) {
  appendFileSync(ledger, `${id} start\n`);
  for (;;);
}
