/** Texts that do to their shell whatever a text may do. What they give is what `/bin/sh -c` gives by itself. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { equalSaid, gives, type HardCase } from './lab.js';

const TEXTS: Readonly<Record<string, string>> = {
  'becomes another program': 'echo a; exec echo b; echo c',
  'cannot become another program': 'exec /nonexistent; echo after',
  'exits in the middle': 'echo a; exit 7; echo b',
  'exits with more than a byte': 'exit 300',
  'has a trap for its end': 'trap "echo bye" EXIT; echo a; exit 4',
  'changes its status in a trap': 'trap "echo bye; exit 6" EXIT; false',
  'handles a signal to itself': 'trap "echo caught; exit 5" TERM; kill -s TERM $$; sleep 1; echo no',
  'ends at the first failure': 'set -e; echo a; false; echo b',
  'ends at an unset variable': 'set -u; echo "$NOT_SET"; echo b',
  'prints what it runs': 'set -x; echo a',
  'reads no more commands': 'set -n; echo a',
  'closes both outputs': 'exec >&- 2>&-; echo lost; exit 4',
  'closes stdout': 'exec >&-; echo lost; echo err >&2; exit 8',
  'closes all three': 'exec 0<&- 1>&- 2>&-; exit 5',
  'swaps its outputs': 'exec 3>&1 1>&2 2>&3 3>&-; echo out; echo err >&2',
  'sends stderr to stdout': 'exec 2>&1; echo a; nosuchcommand; echo b >&2',
  'has a subshell that exits': '(exit 3); echo $?; { exit 2; }',
  'returns outside of a function': 'return 3; echo after',
  'breaks outside of a loop': 'break; echo after',
  'is an unfinished if': 'if',
  'has an open quote': 'echo "a',
  'has an open single quote': "echo 'a",
  'has a parenthesis too many': 'echo a)',
  'has a brace too many': '}; echo a',
  'closes what it never opened': "done'",
  'opens a subshell': 'echo a; (',
  'has a bad line behind a good one': 'echo a\n)\necho b',
  'has an unfinished here-document': 'cat <<E\nno end',
  'ends in a here-document': 'cat <<E\n$((1+1))\nE',
  'ends in a comment': 'echo a # b',
  'ends in a backslash': 'echo a\\',
  'ends in a backslash and a newline': 'echo a\\\n',
  'is empty but for newlines': '\n\n',
  'is a comment': '# nothing',
  'begins with a dash': '-nosuch',
  'does not exist': 'nosuchcommand',
  'may not be run': '/etc/passwd',
  'sources nothing': '. /nonexistent; echo after',
  'knows its line': 'echo $LINENO\necho $LINENO\nnosuchcommand',
  'knows its name': 'echo "$0 $# $-"',
  'evaluates nonsense': 'eval "echo \\"a"; echo after',
  'divides by zero': 'echo $((1/0)); echo after',
  'sends itself to the background': 'echo a & wait; echo b',
  'waits for nothing': 'wait 99999999; echo $?',
  'lists signals of its own': 'trap "" INT; trap',
};

/** Each word that a script of ours may use. */
const WORDS = [
  'echo',
  'printf',
  'read',
  'kill',
  'exit',
  'eval',
  'trap',
  'exec',
  'test',
  '[',
  'cd',
  'set',
  'unset',
  'wait',
  'sleep',
  'cat',
];
const LETTERS = Array.from('abcdefghijklmnopqrstuvwxyz');
/** Functions cannot have the names of some. */
const SPECIAL = new Set(['exit', 'eval', 'trap', 'exec', 'set', 'unset', '[']);

/** Functions first: behind an alias, a name would be the alias's. */
const REDEFINED = [
  ...[...WORDS.filter(word => !SPECIAL.has(word)), ...LETTERS].map(word => `${word}() { command echo redefined; }`),
  ...[...WORDS, ...LETTERS].map(word => `alias ${word}=false 2>/dev/null`),
].join('\n');

export const SHELL_TEXTS: readonly HardCase[] = [
  {
    name: 'a text gives what it gives to sh, whatever it does to it',
    run: async lab => {
      const texts = Object.values(TEXTS);
      const env = Object.fromEntries(texts.map((text, at) => [`T${String(at)}`, text]));
      const at = lab.path('$at');
      const alone = `eval "t=\\$T$at"; /bin/sh -c "$t" >${at}.out 2>${at}.err </dev/null; echo $? >${at}.status`;
      const { exitCode } = await lab.run(
        `at=0; while [ $at -lt ${String(texts.length)} ]; do ${alone}; at=$((at+1)); done`,
        { env },
      );
      assert.equal(exitCode, 0);
      for (const [index, [what, text]] of Object.entries(TEXTS).entries()) {
        const [stdout, stderr, status] = await Promise.all(
          ['out', 'err', 'status'].map(name => readFile(lab.path(`${String(index)}.${name}`))),
        );
        equalSaid(
          await lab.said(text),
          { exitCode: Number(status), stdout: stdout!, stderr: stderr! },
          `${what}: ${text}`,
        );
      }
    },
  },
  gives(
    'functions and aliases of a command end with it',
    `${REDEFINED}\nunalias -a\ncommand echo done`,
    { stdout: 'done\n' },
    { isQuick: true },
  ),
  {
    name: 'no descriptor but the three is open in a command, nor in its programs',
    isQuick: true,
    run: async lab => {
      const fds = Array.from({ length: 60 }, (_, at) => String(at + 3)).join(' ');
      const look = `for fd in ${fds}; do if [ -e /proc/self/fd/$fd ]; then echo "$fd is open"; fi; done; echo looked`;
      equalSaid(await lab.said(look), { stdout: 'looked\n' });
      equalSaid(await lab.said(`/bin/sh -c '${look}'; :`), { stdout: 'looked\n' });
      const write = 'for fd in 3 4 5 6 7 8 9; do (eval "echo to $fd >&$fd") 2>/dev/null; done; echo written';
      equalSaid(await lab.said(write), { stdout: 'written\n' });
    },
  },
];
