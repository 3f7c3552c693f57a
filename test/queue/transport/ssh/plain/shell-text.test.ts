import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import test from 'node:test';
import {
  execText,
  type ExecText,
  type ShellCommand,
  startOf,
} from '../../../../../src/queue/transport/ssh/plain/shell-text.js';

/** Login shells; only the first is everywhere. */
const SHELLS = ['sh', 'dash', 'bash', 'zsh', 'tcsh', 'fish', 'ksh', 'busybox'].flatMap(name => {
  const path = ['/bin/', '/usr/bin/'].map(folder => folder + name).find(existsSync);
  return path === undefined ? [] : [path];
});

interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number | null;
  readonly pid: number;
}

function asLogin(shell: string, { command, input = new Uint8Array(0) }: ExecText, stdin = ''): Ran {
  const args = [...(shell.endsWith('busybox') ? ['sh'] : []), '-c', command];
  const env = { PATH: process.env['PATH'], HOME: '/nonexistent', XDG_CONFIG_HOME: '/nonexistent' };
  const { stdout, stderr, status, pid } = spawnSync(shell, args, {
    input: Buffer.concat([input, Buffer.from(stdin)]),
    env,
    encoding: 'utf8',
  });
  return { stdout, stderr, status, pid };
}

/** What the command itself printed on stdout, and the word in front of it. */
function own({ stdout }: Ran, { marker }: ExecText): { word: string; text: string } {
  const at = stdout.indexOf(`${marker} `);
  const end = stdout.indexOf('\n', at);
  assert(at >= 0 && end >= 0, `no marker in ${JSON.stringify(stdout)}`);
  return { word: stdout.slice(at + marker.length + 1, end), text: stdout.slice(end + 1) };
}

function textOf(shell: string, command: ShellCommand, stdin = ''): string {
  const text = execText(command);
  return own(asLogin(shell, text, stdin), text).text;
}

/** Its bytes one by one, so that nothing of it can hide. */
const SHOW = 'printf %s "$1" | od -An -c';

const SCRIPTS: Readonly<Record<string, string>> = {
  'plain words': 'echo one two',
  'every quote': `echo 'single "double" \`back\`' "it's \\"so\\""`,
  'exclamation marks': `echo 'a!b!!' "!$"`,
  backslashes: String.raw`printf '%s\n' 'a\b' 'a\\b' 'a\'`,
  'percent signs': 'printf "%s %%d\\n" 50%',
  // eslint-disable-next-line no-template-curly-in-string -- in sh ${…} is not a template
  dollars: 'A=x; echo $A "$A" \'$A\' $((1+1)) ${A}y',
  newlines: 'echo one\necho two\n\n',
  'a here-document': "cat <<'E'\nit's $HOME\\n\nE\n",
  'a comment at the end': 'echo one # and no more',
  'a dash in front': '-no-such-command! 2>/dev/null; echo $?',
  'letters of the world': "echo 'grüße, 世界 🙂'",
  'a tab and a carriage return': "printf '%s' 'a\tb\rc' | od -An -c",
  'globs and braces': 'echo /bi[n] {a,b} ~root',
  'a backslash at the very end': 'echo a\\',
  'a backslash in front of the last newline': 'echo a\\\n',
};

for (const shell of SHELLS) {
  test(`a script reaches sh unharmed through ${shell}`, () => {
    for (const [what, script] of Object.entries(SCRIPTS)) {
      const expected = spawnSync('/bin/sh', ['-c', script], { encoding: 'utf8' });
      const text = execText({ script });
      const ran = asLogin(shell, text);
      assert.equal(own(ran, text).text, expected.stdout, what);
      assert.equal(ran.status, expected.status, what);
    }
  });

  test(`the process that ${shell} told of is the one that runs the script, and its stdin is empty`, () => {
    const text = execText({ script: 'echo $$; cat' });
    const ran = asLogin(shell, text, 'not for it');
    const { word, text: said } = own(ran, text);
    assert.deepEqual([startOf(word)?.pid, said], [ran.pid, `${String(ran.pid)}\n`]);
  });

  test(`variables, folder and stdin reach sh unharmed through ${shell}`, () => {
    const value = 'it\'s !\\ $HOME "%d"\n\n';
    const command = { script: 'printf %s "$VALUE" | od -An -c; pwd; cat', cwd: tmpdir(), env: { VALUE: value } };
    const expected = spawnSync('/bin/sh', ['-c', SHOW, 'sh', value], { encoding: 'utf8' }).stdout;
    const ran = textOf(shell, { ...command, hasStdin: true }, 'line one\nline two');
    assert.equal(ran, `${expected}${realpathSync(tmpdir())}\nline one\nline two`);
  });
}

test('variables that no shell can set reach sh as they would from any other program', () => {
  const env = { 'with.dot': "a'b", UID: '5', '1': 'one' };
  const expected = spawnSync('/bin/sh', ['-c', 'env'], { env, encoding: 'utf8' }).stdout.split('\n');
  const text = textOf('/bin/sh', { script: 'env', env }).split('\n');
  assert(expected.includes('UID=5'));
  for (const line of expected) if (/^(with|UID|1)/.test(line)) assert(text.includes(line), line);
});

test('no variable stands in what ps would show of the start', () => {
  assert(!execText({ script: 'true', env: { TOKEN: 'secret' } }).command.includes('secret'));
});

test('a script of a hundred thousand bytes is run, one that no argument can hold is an error with its code', () => {
  const script = `: ${'x'.repeat(100_000)}; echo done`;
  assert.equal(textOf('/bin/sh', { script }), 'done\n');
  assert.throws(() => execText({ script: 'x'.repeat(131_072) }), {
    code: 'E2BIG',
    message: /the command takes 131072/,
  });
  assert.throws(() => execText({ script: 'x', env: { A: 'x'.repeat(131_072) } }), { message: /the variable A takes/ });
});

for (const [what, cwd, code] of [
  ['is not there', '/no/such/folder', 'ENOENT'],
  ['is a file', '/etc/passwd', 'ENOTDIR'],
] as const) {
  test(`a directory that ${what} is reported by its error, and nothing runs`, () => {
    const text = execText({ script: 'echo ran', cwd });
    assert.deepEqual(own(asLogin('/bin/sh', text), text), { word: code, text: '' });
  });
}

test('the marker is not to be found in the text that starts it', () => {
  const { command, marker } = execText({ script: 'true' });
  assert(!command.includes(marker));
});
