/** One row of the fault table (docs/faults.md): a test that injects a real fault and holds the queue to what is promised. */
import assert from 'node:assert/strict';
import { appendFile } from 'node:fs/promises';
import { test } from 'node:test';

export interface Fault {
  /** Its number in the table. A row may have several tests; each is a line of its own. */
  readonly row: number;
  /** What goes wrong. */
  readonly fault: string;
  /** How the test makes it happen. */
  readonly injected: string;
  /** What the caller sees for the drone at fault: kind, phase, and what is in which list. */
  readonly sees: string;
  /** In words, how soon: `connect timeout`, `call timeout + kill grace`, `at once`. */
  readonly within: string;
  /** The same in this test, ms. */
  readonly withinMs: number;
}

/** A busy machine may take so many times as long. */
const PATIENCE = 5;

/** File to which each passed test adds its row's report as a line of JSON, see scripts/faults.js. */
const reportFile = process.env['DRONE_FAULT_REPORTS'];

export interface FaultWatch {
  /** The caller waits from this call until `outcome` settles. Fails when that is much longer than promised. */
  inTime<T>(outcome: Promise<T>): Promise<T>;
}

export function fault(row: Fault, body: (watch: FaultWatch) => Promise<void>): void {
  test(`fault ${String(row.row)}: ${row.fault}`, async () => {
    let tookMs: number | undefined;
    await body({
      inTime: async outcome => {
        const startMs = performance.now();
        try {
          return await outcome;
        } finally {
          tookMs = performance.now() - startMs;
        }
      },
    });
    assert(tookMs !== undefined, 'the test has not said what the caller waits for');
    const longestMs = PATIENCE * row.withinMs;
    assert(tookMs <= longestMs, `took ${tookMs.toFixed(0)} ms, promised within ${String(row.withinMs)} ms`);
    if (reportFile === undefined) return;
    await appendFile(reportFile, `${JSON.stringify({ ...row, tookMs: Math.round(tookMs) })}\n`);
  });
}
