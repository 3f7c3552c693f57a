/** What commands read, and what they do not. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { equalBytes, equalSaid, gives, type HardCase } from './lab.js';

const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const LARGE_BYTES = 5_000_000;
/** GNU's and those of busybox are at this path on a system with either. */
const CAT = '/bin/cat';

export const STDIN: readonly HardCase[] = [
  gives('without stdin a command reads nothing', `${CAT}; read -r line || echo end`, { stdout: 'end\n' }),
  gives('an empty stdin is read as nothing', `${CAT}; echo end`, { stdout: 'end\n' }, { options: { stdin: '' } }),
  gives(
    'stdin arrives as it is, and ends',
    `${CAT}; exit 3`,
    { exitCode: 3, stdout: "it's\n\n\\n text" },
    { isQuick: true, options: { stdin: "it's\n\n\\n text" } },
  ),
  gives('every byte is read', CAT, { stdout: ALL_BYTES }, { options: { stdin: ALL_BYTES } }),
  gives(
    'nothing but NULs is read',
    CAT,
    { stdout: new Uint8Array(70_000) },
    { options: { stdin: new Uint8Array(70_000) } },
  ),
  {
    name: '5 MB of stdin are read to the last byte',
    run: async lab => {
      const stdin = randomBytes(LARGE_BYTES);
      equalSaid(await lab.said(`${CAT}; exit 7`, { stdin }), { exitCode: 7, stdout: stdin });
    },
  },
  gives(
    'what a command does not read of its stdin is gone',
    'read -r line; echo "<$line>"; exit 2',
    { exitCode: 2, stdout: '<one>\n' },
    { isQuick: true, options: { stdin: 'one\ntwo\necho three\n' } },
  ),
  {
    name: 'a command may read half of 5 MB, or nothing, or close its stdin',
    run: async lab => {
      const stdin = randomBytes(LARGE_BYTES);
      const half = LARGE_BYTES / 2;
      equalSaid(await lab.said(`head -c ${String(half)}`, { stdin }), { stdout: stdin.subarray(0, half) });
      equalSaid(await lab.said('echo unread', { stdin }), { stdout: 'unread\n' });
      equalSaid(await lab.said('exec <&-; echo closed; exit 6', { stdin }), { exitCode: 6, stdout: 'closed\n' });
      equalSaid(await lab.said('kill -9 $$', { stdin }), { signal: 'SIGKILL' });
    },
  },
  {
    name: 'stdin that nothing reads does not become the next command',
    run: async lab => {
      const stdin = `echo stolen >${lab.path('stolen')}\n`.repeat(200);
      equalSaid(await lab.said(':', { stdin }), {});
      equalSaid(await lab.said(`/bin/ls ${lab.path('')}`), {});
    },
  },
  {
    name: 'a child in the background reads what is left of stdin',
    run: async lab => {
      const stdin = randomBytes(30_000);
      const copy = `${CAT} <&3 >${lab.path('copy')}; : >${lab.path('copied')}; : ${lab.mark}`;
      const command = `exec 3<&0; sh -c '${copy}' >/dev/null 2>&1 & ${lab.waitFor('copied')}; echo done`;
      equalSaid(await lab.said(command, { stdin }), { stdout: 'done\n' });
      equalBytes(await readFile(lab.path('copy')), stdin, 'the copy');
      await lab.noneLeft();
    },
  },
];
