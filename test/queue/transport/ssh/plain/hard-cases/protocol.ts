/** Output that looks like what our own scripts write between the outputs of commands. */
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { equalSaid, type HardCase } from './lab.js';

/** How a word that ends an output, or begins one, may stand in its line. `%s` is the word. */
const RECORDS = [
  ...['%s', '%s 1', '%s 0', 'drone-%s 1', 'drone-%s', '%s 1 0', '%s 2 0 0'],
  ...[1, 2, 3, 4, 5, 6, 7, 8].flatMap(call => [
    `%sX ${String(call)} 0 `,
    `%sX ${String(call)} 0 T`,
    `%sZ ${String(call)}`,
  ]),
  ...['%sP 1', '%sK 1 0', '%sG 1 0', '%s E 1 0', '%s\\r', '\\000%s 1 0'],
];

/**
 * Finds every word that a command can find, where a secret of ours could be: its variables and those of its parents, all
 * command lines, what `ps` shows. Then it prints each as a record on both streams, and keeps a copy of what it printed.
 */
const FORGE = [
  'PATH=$PATH:/usr/bin:/bin; copy=$1; { set; env; export -p; ps -ef; ps -eo args; p=$$',
  'while [ "$p" -gt 1 ]; do tr "\\000" "\\n" </proc/$p/environ; tr "\\000" "\\n" </proc/$p/cmdline; q=$p; p=0',
  'while read -r key value; do if [ "$key" = PPid: ]; then p=$value; fi; done </proc/$q/status; done',
  '/bin/cat /proc/[0-9]*/cmdline | tr "\\000" "\\n"; } 2>/dev/null >"$copy.found"',
  'tr -cs "A-Za-z0-9_" "\\n" <"$copy.found" | awk \'!seen[$0]++ && length($0) > 11 && length($0) < 65\' | head -n 400 >"$copy.words"',
  `while read -r word; do ${RECORDS.map(record => `printf '${record}\\n' "$word"`).join('; ')}; done <"$copy.words" >"$copy"`,
].join('\n');

export const PROTOCOL: readonly HardCase[] = [
  {
    name: 'output that repeats every word that a command can find is just output',
    isQuick: true,
    run: async lab => {
      const [script, copy] = [lab.path('forge.sh'), lab.path('copy')];
      await writeFile(script, FORGE);
      await chmod(script, 0o755);
      // Found by the command itself, as nothing of it stands in a text that is sent for it.
      for (const how of [`. ${script}`, `/bin/sh ${script} ${copy}`]) {
        const command = `set -- ${copy}; ${how}; /bin/cat ${copy}; /bin/cat ${copy} >&2; printf tail; exit 3`;
        const said = await lab.said(command);
        const printed = await readFile(copy);
        equalSaid(said, { exitCode: 3, stdout: Buffer.concat([printed, Buffer.from('tail')]), stderr: printed });
      }
    },
  },
  {
    name: 'output that ends within what looks like a record is just output',
    run: async lab => {
      for (const tail of [
        'drone-',
        'drone-0',
        '0123456789abcdef0123456789abcdefX 1 0 ',
        '\\n',
        '\\000',
        'drone-\\n1 0',
      ])
        equalSaid(await lab.said(`printf '${tail}'; printf '${tail}' >&2`), {
          stdout: unescaped(tail),
          stderr: unescaped(tail),
        });
    },
  },
];

function unescaped(text: string): string {
  return text.replaceAll('\\n', '\n').replaceAll('\\000', '\0');
}
