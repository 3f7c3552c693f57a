/** Where commands run, and with which variables: any text, for one command alone, and hidden from `ps`. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { runningProcesses } from '../../../../../support/process-tree.js';
import { equalSaid, type HardCase } from './lab.js';

/** Values and names of directories are text, so each byte above 127 is a part of UTF-8. */
const CONTROLS = Buffer.from(Array.from({ length: 31 }, (_, at) => at + 1)).toString();
const HIGH = Buffer.from(Array.from({ length: 128 }, (_, at) => at + 128)).toString('latin1');

const VALUES: Readonly<Record<string, string>> = {
  EMPTY: '',
  QUOTES: '\'"`$HOME$(echo no)\\\\!!"\'',
  NEWLINES: '\n\none\n\ntwo\n\n',
  CONTROLS: `${CONTROLS}\x7f`,
  HIGH,
  WORLD: 'grüße, 世界 🙂',
  OPTION: '-n',
  FORMAT: '%s%d%%\\n\\c',
  GLOB: '* ~ /bin/* {a,b}',
  LONG: 'x'.repeat(60_000),
};

/** Whatever a program of ours on the drone may call its own, this is the command's. */
const NAMES = [
  ...Array.from('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'),
  ...['DTQ', 'drone', 'lane', 'nonce', 'status', 'pid', '_x'],
];

/** They change how a shell reads and finds; the command below needs none of that. */
const ODD: Readonly<Record<string, string>> = {
  IFS: '0123456789ehor',
  PATH: '/nonexistent',
  CDPATH: '/usr',
  ENV: '/nonexistent',
  BASH_ENV: '/nonexistent',
  PS4: '$(echo no)',
  LC_ALL: 'C',
  LANG: 'xx_XX.none',
  HOME: '/nonexistent',
  POSIXLY_CORRECT: '1',
  TMPDIR: '/nonexistent',
};

const FOLDERS = [
  "it's",
  'two\nlines',
  'end\n',
  'grüße ☃',
  '-rf',
  ' $(x) `y` "z"',
  '\\back\\',
  '*',
  '~',
  '!!',
  '\x01\x7f',
  HIGH.slice(0, 100),
];

/** What logins and shells have by themselves. */
const USUAL =
  /^(HOME|LOGNAME|USER|SHELL|PATH|PWD|OLDPWD|SHLVL|_|MAIL|LANG|TZ|TERM|HOST|GROUP|(LC|SSH|XDG)_\w+|HOSTTYPE|VENDOR|OSTYPE|MACHTYPE|REMOTEHOST)$/;

/** How a shell is set, from one command to the next. */
const REPORT =
  'umask; pwd; ulimit -n; echo "$-|$LEFT|$IFS|$PATH|$#|$0|$PS4"; alias; trap; type f 2>/dev/null || echo none; /bin/ls /proc/$$/fd';
const CHANGES = [
  'umask 0; cd /; ulimit -n 40; ulimit -c 0; LEFT=1; export LEFT; PS4=changed; IFS=,; set -- a b; set -f; set -u',
  'alias ls=false echo=false; f() { echo f; }; exec 3>&1 4</dev/null; trap "command echo trapped" EXIT; trap "" TERM INT HUP PIPE',
  'unset PATH; readonly n=1 e=2 a=3 PATH; set -e; echo changed',
];

export const ENVIRONMENT: readonly HardCase[] = [
  {
    name: 'variables of any text arrive as they are',
    isQuick: true,
    run: async lab => {
      const words = Object.keys(VALUES).map(name => `"$${name}"`);
      const expected = Object.values(VALUES).map(value => `<${value}>\0`);
      const show = `for value in ${words.join(' ')}; do printf '<%s>\\000' "$value"; done`;
      equalSaid(await lab.said(show, { env: VALUES }), { stdout: expected.join('') });
    },
  },
  {
    name: 'variables of any name arrive, and are gone with their command',
    run: async lab => {
      const env = Object.fromEntries(NAMES.map((name, at) => [name, `value ${String(at)}`]));
      const show = NAMES.map(name => `echo "${name}=$${name}"`).join('; ');
      const lines = NAMES.map((name, at) => `${name}=value ${String(at)}\n`).join('');
      equalSaid(await lab.said(show, { env }), { stdout: lines });
      equalSaid(await lab.said(show), { stdout: NAMES.map(name => `${name}=\n`).join('') });
    },
  },
  {
    name: 'a variable that no shell can set arrives in programs',
    run: async lab => {
      const env = { 'with.dot': "a'b", '1': 'one' };
      const { stdout } = await lab.said('env', { env });
      for (const line of ["with.dot=a'b", '1=one']) assert(stdout.toString().split('\n').includes(line), line);
    },
  },
  {
    name: 'variables that change a shell reach the command and disturb nothing else',
    run: async lab => {
      const command = '/bin/cat /dev/null && echo "$PATH|$CDPATH|$HOME|$TMPDIR"; echo err >&2; exit 3';
      equalSaid(await lab.said(command, { env: ODD, stdin: 'x' }), {
        exitCode: 3,
        stdout: '/nonexistent|/usr|/nonexistent|/nonexistent\n',
        stderr: 'err\n',
      });
      equalSaid(await lab.said('kill -9 $$', { env: ODD }), { signal: 'SIGKILL' });
    },
  },
  {
    name: 'a command has no variables of ours',
    run: async lab => {
      const { stdout } = await lab.said('env', { env: { GIVEN: '1' } });
      const names = stdout.toString().trim().split('\n').map(line => line.split('=')[0] ?? ''); // prettier-ignore
      assert.deepEqual(names.filter(name => !USUAL.test(name)), ['GIVEN']); // prettier-ignore
    },
  },
  {
    name: 'a command runs in a directory of any name',
    run: async lab => {
      for (const name of FOLDERS) {
        const cwd = lab.path(name);
        await mkdir(cwd);
        equalSaid(await lab.said('pwd -P; echo "$OLDPWD"', { cwd }), { stdout: `${realpathSync(cwd)}\n\n` }, name);
      }
    },
  },
  {
    name: 'ps shows neither variables nor the directory, nor stdin',
    isQuick: true,
    run: async lab => {
      const secrets = Array.from({ length: 4 }, () => randomBytes(12).toString('hex'));
      const [value = '', name = '', folder = '', stdin = ''] = secrets;
      await mkdir(lab.path(folder));
      const command = `: >${lab.path('ready')}; ${lab.waitFor('go')}; echo "$A$B"`;
      const env = { A: `'${value}`, B: `\n${name}` };
      const running = lab.said(command, { env, cwd: lab.path(folder), stdin });
      await lab.untilThere('ready');
      const lines = [...runningProcesses().values()].map(({ args }) => args);
      await lab.touch('go');
      equalSaid(await running, { stdout: `'${value}\n${name}\n` });
      assert.deepEqual(lines.filter(line => secrets.some(secret => line.includes(secret))), []); // prettier-ignore
    },
  },
  {
    name: 'a command leaves no shell settings to the next one',
    isQuick: true,
    run: async lab => {
      const before = await lab.said(REPORT);
      equalSaid(await lab.said(CHANGES.join('; ')), { stdout: 'changed\ntrapped\n' });
      equalSaid(await lab.said(REPORT), { exitCode: 0, stdout: before.stdout, stderr: before.stderr.toString() });
    },
  },
];
