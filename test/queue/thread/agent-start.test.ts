import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { LOADER } from '../../../src/queue/agent/loader.js';
import { describeFailedStart, saidAtStart } from '../../../src/queue/thread/agent-start.js';

const NOTHING = '""';

const exit = (exitCode: number): Error => Object.assign(new Error(`status ${String(exitCode)}`), { exitCode });

const STARTS: readonly (readonly [name: string, exitCode: number, stderr: string, noise: string, says: string])[] = [
  [
    'no node, says sh',
    127,
    'sh: 1: exec: node: not found\n',
    NOTHING,
    'no node on the drone: "sh: 1: exec: node: not found"',
  ],
  ['no node, says csh', 1, 'node: Command not found.\n', NOTHING, 'no node on the drone: "node: Command not found."'],
  [
    'trouble of a login script, and another one',
    1,
    'foo: command not found\nsudo: a password is required\n',
    NOTHING,
    'the agent ended before it was ready: "foo: command not found sudo: a password is required"',
  ],
  ['words on stdout only', 1, '\n', '"no entry"', 'the agent ended before it was ready: "no entry"'],
  ['no word', 3, '', NOTHING, 'the agent ended before it was ready'],
];

for (const [name, exitCode, stderr, noise, says] of STARTS) {
  test(`a start that fails with ${name}, is reported as such`, () => {
    assert.equal(describeFailedStart(exit(exitCode), stderr, noise), `${says} (status ${String(exitCode)})`);
  });
}

for (const [name, args, says] of [
  ['input that is not a bundle, since a login script has read from it', [], /RangeError .* out of range/],
  ['options under which the loader cannot run', ['--input-type=module'], /require is not defined/],
] as const) {
  test(`what Node says about ${name}, is not lost behind the loader`, () => {
    const { stderr } = spawnSync(process.execPath, [...args, '-e', LOADER, 'marker'], {
      input: Buffer.from('ffffffff', 'hex'),
      encoding: 'utf8',
    });
    assert.ok(stderr.includes(LOADER));
    assert.match(saidAtStart(stderr, NOTHING), says);
  });
}
