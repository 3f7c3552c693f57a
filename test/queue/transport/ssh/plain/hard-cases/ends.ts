/** How commands end: by a status, or by a signal; and how signals are when they begin. */
import assert from 'node:assert/strict';
import { equalSaid, gives, type HardCase } from './lab.js';

/** Those above 128 are what a shell makes of a signal. */
const STATUSES = [0, 1, 2, 3, 126, 127, 128, 129, 130, 131, 137, 139, 141, 143, 255];
/** Those with a name in SSH. */
const SIGNALS = ['KILL', 'TERM', 'SEGV', 'HUP', 'INT', 'PIPE', 'QUIT', 'ABRT', 'ALRM', 'FPE', 'ILL', 'USR1', 'USR2'];
const NUMBERS: Readonly<Record<string, number>> = { KILL: 9, TERM: 15, SEGV: 11, INT: 2, PIPE: 13, HUP: 1 };

const NO_SIGNALS = /^SigBlk:\s0{16}\nSigIgn:\s0{16}\n$/;

export const ENDS: readonly HardCase[] = [
  {
    name: 'every exit status arrives as one, those of shells for signals too',
    isQuick: true,
    run: async lab => {
      for (const exitCode of STATUSES)
        equalSaid(await lab.said(`echo x; exit ${String(exitCode)}`), { exitCode, stdout: 'x\n' });
    },
  },
  {
    name: 'a signal that ended the command is named',
    isQuick: true,
    run: async lab => {
      for (const signal of SIGNALS) {
        const said = await lab.said(`echo before; kill -s ${signal} $$; sleep 1; echo after`);
        equalSaid(said, { signal: `SIG${signal}`, stdout: 'before\n' }, signal);
      }
    },
  },
  {
    name: 'a signal that SSH does not name is named or unknown',
    run: async lab => {
      const { exitCode, signal } = await lab.said('kill -s BUS $$; sleep 1');
      assert.equal(exitCode, null);
      assert.match(String(signal), /^(SIGBUS|unknown)$/);
    },
  },
  {
    name: "a signal that ended the command's child is a status of its shell",
    run: async lab => {
      for (const [signal, number] of Object.entries(NUMBERS)) {
        const said = await lab.said(`sh -c 'kill -s ${signal} $$'; s=$?; echo then; exit $s`);
        // What the shell itself says of it is its own affair.
        equalSaid(said, { exitCode: 128 + number, stdout: 'then\n', stderr: /^([^\n]+\n)?$/ }, signal);
      }
    },
  },
  gives('a program that the command has become ends by its own signal', "exec sh -c 'echo x; kill -s TERM $$'", {
    signal: 'SIGTERM',
    stdout: 'x\n',
  }),
  gives(
    'output in front of a violent end is whole',
    'head -c 300000 /dev/zero; head -c 5000 /dev/zero >&2; kill -9 $$',
    {
      signal: 'SIGKILL',
      stdout: new Uint8Array(300_000),
      stderr: new Uint8Array(5000),
    },
  ),
  {
    name: 'no signal is ignored or blocked, neither in the shell nor in its programs',
    isQuick: true,
    run: async lab => {
      const shell = 'while read -r k v; do case $k in Sig[BI]*) echo "$k $v";; esac; done </proc/self/status';
      for (const command of [shell, "grep '^Sig[BI]' /proc/self/status", "sh -c 'grep ^Sig[BI] /proc/self/status'"])
        assert.match(String((await lab.said(command)).stdout), NO_SIGNALS, command);
    },
  },
  gives('a writer whose reader is gone dies of SIGPIPE', "sh -c 'yes; echo $? >&2' | head -n 1; echo done", {
    stdout: 'y\ndone\n',
    stderr: /^(141|[^\n]*: (Broken pipe|write error)[^\n]*\n141)\n$/i,
  }),
];
