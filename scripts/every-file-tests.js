// A reporter for node:test that makes the run fail when a file held no test, or when a test was skipped or is yet to be
// done: node:test counts all of those as passed.
import { resolve } from 'node:path';

/** @param {AsyncIterable<import('node:test/reporters').TestEvent>} events */
export default async function* everyFileTests(events) {
  let tests = 0;
  for await (const event of events) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const { name, file = '', skip, todo, details } = event.data;
    if (details.type === 'suite') continue;
    // A file that holds no test is itself reported as one.
    const isFile = resolve(name) === file;
    if (!isFile) tests += 1;
    if (isFile && event.type === 'test:pass') yield fail(`${file} holds no test`);
    if (skip !== undefined) yield fail(`skipped: "${name}" in ${file}`);
    if (todo !== undefined) yield fail(`yet to be done: "${name}" in ${file}`);
  }
  if (tests === 0) yield fail('no test ran');
}

/** @param {string} message */
function fail(message) {
  process.exitCode = 1;
  return `${message}\n`;
}
