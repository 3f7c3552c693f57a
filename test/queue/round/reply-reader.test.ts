import assert from 'node:assert/strict';
import test from 'node:test';
import { ProtocolError } from '../../../src/queue/wire/frames.js';
import { checkFailedReport } from '../../../src/queue/round/reply-reader.js';
import { leakCheck } from '../../support/leak-check.js';

leakCheck();

const error = new Error('no');

const GOOD: readonly unknown[] = [
  { kind: 'call', error },
  { kind: 'cancelled', error, killed: true, output: { stdout: '', stderr: 'x' } },
  { kind: 'lost', error, killed: undefined, output: undefined },
];

for (const report of GOOD) {
  test(`a report such as ${JSON.stringify(report)} is taken as it is`, () => {
    assert.equal(checkFailedReport(report), report);
  });
}

const BAD: readonly (readonly [report: unknown, says: RegExp])[] = [
  [undefined, /unknown kind undefined/],
  ['cancelled', /unknown kind undefined/],
  [{ kind: 'unheard', error }, /unknown kind 'unheard'/],
  [{ kind: 'cancelled', error, killed: 1 }, /killed 1/],
  [{ kind: 'cancelled', error, killed: null }, /killed null/],
  [{ kind: 'cancelled', error, output: 'text' }, /an output/],
  [{ kind: 'cancelled', error, output: null }, /an output/],
  [{ kind: 'cancelled', error, output: { stdout: 'x' } }, /an output/],
  [{ kind: 'cancelled', error, output: { stdout: 'x', stderr: Uint8Array.of(1) } }, /an output/],
];

for (const [report, says] of BAD) {
  test(`a report such as ${JSON.stringify(report) ?? 'nothing'} is not believed`, () => {
    assert.throws(
      () => checkFailedReport(report),
      (thrown: unknown) => thrown instanceof ProtocolError && says.test(thrown.message),
    );
  });
}
