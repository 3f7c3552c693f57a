// A reporter for node:test that sums up one test file as a line of JSON. node:test counts a skipped test, one that is yet
// to be written and a file without tests as passed; here they are problems.

/**
 * What one test file did.
 * @typedef {{ passed: number, failed: number, problems: readonly string[] }} TestReport
 */

/** @param {AsyncIterable<import('node:test/reporters').TestEvent>} events */
export default async function* testReport(events) {
  let passed = 0;
  let failed = 0;
  /** @type {string[]} */
  const problems = [];
  for await (const event of events) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const { name, skip, todo, details } = event.data;
    if (skip !== undefined) problems.push(`skipped: "${name}"`);
    if (todo !== undefined) problems.push(`not written yet: "${name}"`);
    if (event.type === 'test:fail') failed += 1;
    else if (details.type !== 'suite') passed += 1;
  }
  if (passed + failed === 0) problems.push('holds no test');
  yield `${JSON.stringify({ passed, failed, problems })}\n`;
}
