// A reporter for node:test that passes on, a line each, what the tests of faults report (see test/faults/fault.ts).

/** What such a diagnostic begins with. */
const REPORT = 'fault ';

/** @param {AsyncIterable<import('node:test/reporters').TestEvent>} events */
export default async function* faultReports(events) {
  for await (const event of events) {
    if (event.type !== 'test:diagnostic') continue;
    const { message } = event.data;
    if (message.startsWith(REPORT)) yield `${message.slice(REPORT.length)}\n`;
  }
}
