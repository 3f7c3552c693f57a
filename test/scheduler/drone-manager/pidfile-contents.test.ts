import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { parsePidfile } from '../../../src/scheduler/pidfile-contents.js';

const CASES: readonly (readonly [text: string | undefined, contents: object])[] = [
  [undefined, { kind: 'missing' }],
  ['', { kind: 'empty' }],
  ['4711\n', { kind: 'running', pid: 4711 }],
  ['4711', { kind: 'running', pid: 4711 }],
  ['4711\n1', { kind: 'writing', pid: 4711 }],
  ['4711\n137\n', { kind: 'finished', pid: 4711, exitStatus: 137 }],
  ['4711\n-9\n', { kind: 'finished', pid: 4711, exitStatus: -9 }],
  ['4711\n0\n1', { kind: 'writing', pid: 4711, exitStatus: 0 }],
  ['4711\n0\n12\n', { kind: 'finished', pid: 4711, exitStatus: 0, failedTests: 12 }],
];

for (const [text, contents] of CASES) {
  test(`a pidfile that holds ${JSON.stringify(text) ?? 'nothing'} says ${JSON.stringify(contents)}`, () => {
    assert.deepEqual(parsePidfile(text), contents);
  });
}

const CORRUPT = [
  '\n',
  'x\n',
  '0\n',
  '1\n',
  '-5\n',
  '4711\nx\n',
  '4711\n\n',
  '4711\n0\nx\n',
  '4711\n0\n-1\n',
  '4711\n0\n1\n2\n',
];
for (const text of [...CORRUPT, '4711\n0\n1\n2', ' 4711\n', '4711\r\n', '1e3\n', '99999999999999999\n']) {
  test(`a pidfile that holds ${JSON.stringify(text)} is corrupt`, () => {
    assert.equal(parsePidfile(text).kind, 'corrupt');
  });
}

test('whenever a pidfile is read while it is being written, it names no other status than the one it ends with', () => {
  const pid = fc.integer({ min: 2, max: 4_194_304 });
  fc.assert(
    fc.property(
      pid,
      fc.nat(255),
      fc.option(fc.nat(), { nil: undefined }),
      fc.nat(40),
      (pidNumber, status, failed, cut) => {
        const whole = [pidNumber, status, ...(failed === undefined ? [] : [failed])]
          .map(line => `${String(line)}\n`)
          .join('');
        const pidLine = `${String(pidNumber)}\n`.length;
        const contents = parsePidfile(whole.slice(0, pidLine + cut));
        assert.ok('pid' in contents && contents.pid === pidNumber, JSON.stringify(contents));
        if ('exitStatus' in contents) assert.equal(contents.exitStatus, status);
        if ('failedTests' in contents) assert.equal(contents.failedTests, failed);
      },
    ),
  );
});

test('a file that is too long for a pidfile is none, whatever it begins with', () => {
  const start = '4711\n0\n';
  assert.equal(parsePidfile(start + 'x'.repeat(4096 - start.length)).kind, 'writing');
  const problem = 'it has more than 4096 bytes';
  assert.deepEqual(parsePidfile(start + 'x'.repeat(4097 - start.length)), { kind: 'corrupt', problem });
});
