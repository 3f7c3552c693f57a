/** What a command leaves running prints later: no later call has that in its output. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, writeFileSync } from 'node:fs';
import { endAll } from '../../../../../faults/processes.js';
import { loginUser } from '../../../../../support/sshd.js';
import { equalSaid, type HardCase, type Lab } from './lab.js';

const isRoot = process.getuid?.() === 0;
/** A user who is not the login's. */
const NOBODY = 65_534;

/**
 * Text for sh, without quotes: makes the file `started`, waits for `go`, prints on both streams, or on what stands for them,
 * and makes `wrote`.
 */
function late(lab: Lab, out = '1', err = '2', wait = lab.waitFor('go')): string {
  return [
    `trap : PIPE HUP; : >${lab.path('started')}; ${wait}`,
    `for at in 1 2 3; do echo LATE >&${out}; echo LATE >&${err}; done; : >${lab.path('wrote')}; : ${lab.mark}`,
  ].join('; ');
}

/** Makes a script. Returns the words that run it, with the mark as an argument. */
function script(lab: Lab, name: string, text = late(lab)): string {
  const path = lab.path(name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return `'${path}' ${lab.mark}`;
}

/** Words in front of those of a program that another user runs. */
function asOther(lab: Lab): string {
  if (!isRoot) return 'sudo -n -u nobody';
  const path = lab.path('setpriv');
  const group = execFileSync('id', ['-gn', loginUser()], { encoding: 'utf8' }).trim();
  copyFileSync('/usr/bin/setpriv', path);
  // For the drone's user alone, and gone with the case.
  execFileSync('chown', [`root:${group}`, path]);
  chmodSync(path, 0o4750);
  return `${path} --reuid=${String(NOBODY)} --regid=${String(NOBODY)} --clear-groups`;
}

/** Each process of it starts the next one, and ends. */
function chain(lab: Lab): string {
  const last = late(lab, '1', '2', ':');
  const self = lab.path('chain');
  return script(
    lab,
    'chain',
    `if [ -e ${lab.path('go')} ]; then ${last}; exit; fi; : >${lab.path('started')}; '${self}' ${lab.mark} & exit`,
  );
}

/** Text for sh by how it leaves the late writer. */
const LEFT: Readonly<Record<string, (lab: Lab) => string>> = {
  'in the background': lab => `sh -c '${late(lab)}' &`,
  'in a session of its own': lab => `/usr/bin/setsid sh -c '${late(lab)}' &`,
  'without stdin, in a session of its own': lab => `/usr/bin/setsid sh -c '${late(lab)}' <&- &`,
  'under nohup': lab => `nohup sh -c '${late(lab)}' </dev/null &`,
  'as an orphan': lab => `(sh -c '${late(lab)}' & )`,
  'as an orphan of an orphan': lab => `(sh -c "(sh -c '${late(lab)}' & )" & )`,
  'as a subshell': lab => `(${late(lab)}) &`,
  'under another user': lab => `${asOther(lab)} ${script(lab, 'other')} &`,
  'under another user, in a session of its own': lab => `/usr/bin/setsid ${asOther(lab)} ${script(lab, 'other')} &`,
  'at descriptors 7 and 8': lab => `sh -c '${late(lab, '7', '8')}' 7>&1 8>&2 >/dev/null 2>&1 </dev/null &`,
  'at descriptor 7 for stderr': lab => `sh -c '${late(lab, '7', '7')}' 7>&2 >/dev/null 2>&1 </dev/null &`,
  'with nothing but stderr': lab => `sh -c '${late(lab, '2')}' >/dev/null &`,
  'under a name like a line of stat': lab => `${script(lab, ') S 1 1 (x')} &`,
  'as a chain of processes that live for a moment': lab => `${chain(lab)} &`,
};

async function neverShows(lab: Lab, leave: string): Promise<void> {
  try {
    const first = `${leave}\n${lab.waitFor('started')}; echo first; echo err >&2; exit 3`;
    equalSaid(await lab.said(first), { exitCode: 3, stdout: 'first\n', stderr: 'err\n' });
    // It prints while this one runs.
    const second = `: >${lab.path('go')}; ${lab.waitFor('wrote')}; echo second; echo err >&2; exit 4`;
    equalSaid(await lab.said(second), { exitCode: 4, stdout: 'second\n', stderr: 'err\n' });
    await lab.noneLeft();
  } finally {
    await lab.touch('go');
    endAll(lab.mark);
  }
}

/** It opens the command's pipes by their names in /proc. */
async function neverShowsOfBefore(lab: Lab): Promise<void> {
  const pid = lab.path('pid');
  const open = `${lab.waitFor('pid')}; read -r p <${pid}; exec 7>/proc/$p/fd/1 8>/proc/$p/fd/2`;
  const before = script(lab, 'before', `${open}; ${late(lab, '7', '8')}`);
  equalSaid(await lab.said(`/usr/bin/setsid ${before} >/dev/null 2>&1 </dev/null &`), {});
  await neverShows(lab, `echo $$ >${pid}.new; mv ${pid}.new ${pid}`);
}

export const LATE_OUTPUT: readonly HardCase[] = [
  ...Object.entries(LEFT).map(([how, leave], at): HardCase => ({
    name: `what a writer that is left ${how} prints later is in no output`,
    isQuick: at < 2,
    run: lab => neverShows(lab, leave(lab)),
  })),
  {
    name: 'what a writer that was there before and took the output prints later is in no output',
    // Its agent gives commands sockets, which have no name that opens them.
    where: ({ agent }) => agent === undefined,
    run: neverShowsOfBefore,
  },
];
