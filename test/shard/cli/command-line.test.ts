/** What `drone-shard` makes of its arguments. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { readCommandLine } from '../../../src/shard/cli/command-line.js';

const WRONG: readonly (readonly [name: string, args: readonly string[], message: RegExp])[] = [
  ['no command', [], /a command is missing/],
  ['an unknown command', ['serve'], /'serve' is no command: client, master/],
  ['an unknown option', ['client', '--token', 'hidden'], /--token/],
  ['a value where none belongs', ['client', '--once=yes'], /--once/],
  ['an option without its value', ['client', '--config'], /--config/],
  ["another command's option", ['master', '--once'], /--once is an option of client, not of master/],
  ['an argument too much', ['client', 'shard-1'], /'shard-1' is too much/],
  ['two shards', ['token', 'shard-1', 'shard-2'], /'shard-2' is too much/],
  ['no shard to make a token for', ['token'], /token needs the hostname of a shard/],
  ['no shard to add', ['add-shard', '--label', 'rack-1'], /add-shard needs the hostname/],
];

for (const [name, args, message] of WRONG) {
  test(`a command line with ${name} is refused`, () => {
    assert.throws(() => readCommandLine(args), { name: 'UsageError', message });
  });
}

test('a command line has its command, its shard and its options in any order', () => {
  const nothing = { hostname: '', config: undefined, log: undefined, once: false, rotate: false, labels: [] };
  assert.deepEqual(readCommandLine(['--once', 'client', '--config', 'a.json']), {
    ...nothing,
    command: 'client',
    config: 'a.json',
    once: true,
  });
  assert.deepEqual(readCommandLine(['add-shard', '--label', 'a', 'shard-1', '--label=b', '--log', 'json']), {
    ...nothing,
    command: 'add-shard',
    hostname: 'shard-1',
    labels: ['a', 'b'],
    log: 'json',
  });
  assert.deepEqual(readCommandLine(['-h']), { ...nothing, command: 'help' });
});
