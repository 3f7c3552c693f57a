// The fault table: one line per test of test/faults, as the tests report them (see test/faults/fault.ts).

/** Rows of the table; each has a test. */
const ROWS = 35;

/**
 * What a test of a row reports.
 * @typedef {{ row: number, fault: string, injected: string, sees: string, within: string, withinMs: number, tookMs: number }} FaultReport
 */

const HEADINGS = ['#', 'fault', 'injected by', 'what the caller sees', 'promised within', 'took'];

/**
 * The rows that no test reported.
 * @param {readonly FaultReport[]} reports
 */
export function missingRows(reports) {
  const seen = new Set(reports.map(({ row }) => row));
  return Array.from({ length: ROWS }, (_, at) => at + 1).filter(row => !seen.has(row));
}

/**
 * The table in Markdown, in the order of the rows, and of the faults' words within a row.
 * @param {readonly FaultReport[]} reports
 */
export function faultTable(reports) {
  const sorted = [...reports].sort((a, b) => a.row - b.row || (a.fault < b.fault ? -1 : 1));
  const lines = sorted.map(({ row, fault, injected, sees, within, withinMs, tookMs }) =>
    [String(row), fault, injected, sees, `${within} (${milliseconds(withinMs)})`, milliseconds(tookMs)].map(cell =>
      // A pipe ends a cell, between backticks too.
      cell.replaceAll('|', '\\|'),
    ),
  );
  return [HEADINGS, HEADINGS.map(() => '---'), ...lines].map(cells => `| ${cells.join(' | ')} |\n`).join('');
}

/** @param {number} ms */
function milliseconds(ms) {
  return `${ms.toLocaleString('en-US')} ms`;
}
