/** What `drone-shard` makes of its arguments. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { readCommandLine, USAGE } from '../../../src/shard/cli/command-line.js';

const WRONG: readonly (readonly [name: string, args: readonly string[], message: RegExp])[] = [
  ['no command', [], /a command is missing/],
  ['an unknown command', ['serve'], /^unknown command 'serve', expected one of client, master/],
  ['an unknown option', ['client', '--token', 'hidden'], /^unknown option '--token'.*: see drone-shard --help$/],
  ['a value where none belongs', ['client', '--once=yes'], /--once/],
  ['an option without its value', ['client', '--config'], /--config/],
  ["another command's option", ['master', '--once'], /--once is an option of client, not of master/],
  ['an argument too much', ['client', 'shard-1'], /'shard-1' is too much/],
  ['two shards', ['token', 'shard-1', 'shard-2'], /'shard-2' is too much/],
  ['no shard to make a token for', ['token'], /token needs the hostname of a shard/],
  ['no shard to add', ['add-shard', '--label', 'rack-1'], /add-shard needs the hostname/],
  ['a command that is nearly right', ['list-job'], /did you mean 'list-jobs'/],
  ['an option that is nearly right', ['add-host', 'a', '--lable', 'b'], /'--lable' \(did you mean 'label'\?\)/],
  [
    'an option of several commands',
    ['master', '--json'],
    /--json is an option of list-shards, list-hosts, .*not of master/,
  ],
  ['no job to list the entries of', ['list-entries'], /list-entries needs the number of a job/],
];

for (const [name, args, message] of WRONG) {
  test(`a command line with ${name} is refused`, () => {
    assert.throws(() => readCommandLine(args), { name: 'UsageError', message });
  });
}

test('a command line has its command, its argument and its options in any order', () => {
  const nothing = { argument: '', config: undefined, log: undefined, options: {} };
  assert.deepEqual(readCommandLine(['--once', 'client', '--config', 'a.json']), {
    ...nothing,
    command: 'client',
    config: 'a.json',
    options: { once: true },
  });
  assert.deepEqual(readCommandLine(['add-shard', '--label', 'a', 'shard-1', '--label=b', '--log', 'json']), {
    ...nothing,
    command: 'add-shard',
    argument: 'shard-1',
    options: { label: ['a', 'b'] },
    log: 'json',
  });
  assert.deepEqual(readCommandLine(['-h']), { ...nothing, command: 'help' });
});

test('the usage names every command', () => {
  const named = [...USAGE.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map(([, name = '']) => name);
  for (const name of named) assert.doesNotThrow(() => readCommandLine([name, ...(takesArgument(name) ? ['7'] : [])]));
  const message = messageOf(() => readCommandLine(['serve']));
  assert.deepEqual(/expected one of (.*)/.exec(message)?.[1], named.join(', '));
});

function takesArgument(name: string): boolean {
  return messageOf(() => readCommandLine([name])).includes('needs');
}

function messageOf(fn: () => unknown): string {
  try {
    fn();
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}
