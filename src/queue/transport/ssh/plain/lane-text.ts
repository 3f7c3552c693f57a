/**
 * The text of a lane: a resident shell on one exec channel that runs one short command after the other.
 *
 * Three processes of one group. The lane runs commands in the foreground, with their output straight on the channel. The
 * reader passes them on from stdin, and ends the group when the connection is gone. The watch ends the group after a
 * silence of the link. A lane that cannot keep its promises leaves with REFUSED before it has run anything.
 *
 * A command is over when a record has come on both streams: `<nonce>X…` on stdout and `<nonce>Z` on stderr. The nonce comes
 * by stdin and stays a variable of the shell, so no command line or environment shows it. Plain sh and Linux's /proc; of the
 * drone's programs only `sleep` is started, and nothing is written to its disk.
 */
/* eslint-disable no-template-curly-in-string -- in sh ${…} is not a template */
import { isSettable, octal, type ShellCommand, wordOf } from './shell-text.js';

/** For the exec request; any login shell takes it. The rest comes by stdin. */
export const LANE_COMMAND = `exec /bin/sh -c 'IFS= read -r drone_t; eval "$drone_t"'`;
/** The exit status of a lane that has run nothing. */
export const REFUSED = 99;
/** Lines for the reader. */
export const PING = 'p\n';
export const LEAVE = 'q\n';

/** As good as endless, and a number that every sleep takes, s. */
const LONGEST_S = 2 ** 31 - 1;
/** To look at more processes than this takes longer than to start a new lane. */
const MOST_BORN = 2000;
const MOST_LOOKS = 50;

/** The shells read byte by byte: a longer command is faster on a channel of its own. */
const LONGEST_CALL_BYTES = 8192;
/** What every shell passes on as a here-document without a file or a process. */
const LONGEST_INPUT_BYTES = 4000;
/** Gives the command its own stderr and none of the lane's pipes. */
const PREFIX = 'exec 2>&5 3<&- 5>&- 6<&-; ';

const CHECKS = [
  'unset drone_a drone_b drone_f drone_g drone_i drone_k drone_l drone_m drone_r drone_s drone_w drone_x',
  // The end of its group must not be the end of others.
  'drone_m=; while IFS= read -r drone_l; do drone_m="$drone_m$drone_l "; done </proc/$$/stat || exit 99',
  'set -- ${drone_m##*") "}; [ "$3" = $$ ] || exit 99',
  // Processes of other users must be visible.
  '[ -d /proc/1 ] && read -r drone_l </proc/loadavg || exit 99',
  'while read -r drone_a drone_b drone_k drone_l drone_m; do',
  'case $drone_k in proc) case $drone_l in *hidepid=*) exit 99;; esac;; esac',
  '[ "$drone_b" != /proc ] || break; done </proc/mounts || exit 99',
];

/**
 * A here-document is a pipe with both its ends in one process; in bash before 5.1, a file. The reader's pipe is at 3 and 4;
 * stderr goes to 5, since at 2 the shell reports the signal that ended a command: that is read back at 6.
 */
const PIPES = [
  'exec 3<<E\n\nE',
  'read -r drone_l <&3; [ -p /proc/self/fd/3 ] || exit 99',
  'exec 4>/proc/self/fd/3 5>&2 6<<E\n\nE',
  'read -r drone_l <&6; exec 2>/proc/self/fd/6',
];

const END = ['drone_end() { trap "" TERM; exec 4>&-; kill -s TERM 0; sleep $drone_grace; kill -s KILL 0; }'];

/** A ping replaces the sleep by a new one. TERM for the group, from whomever, ends it. */
const WATCH = [
  'trap "" USR1; ( trap "drone_k=1; kill \\$drone_s" USR1; trap "kill \\$drone_s; exit" TERM',
  'exec 3<&- 4>&- 5>&- 6<&- 7<&- </dev/null >/dev/null 2>&1',
  'while drone_k=; do sleep $drone_silence & drone_s=$!; wait $drone_s; [ -n "$drone_k" ] || break; done',
  'drone_end ) & drone_w=$!; trap - USR1',
];

const READER = [
  '( trap "" HUP INT PIPE; trap exit TERM; exec 3<&- 5>&- 6<&- 7<&- >/dev/null 2>&1',
  'while IFS= read -r drone_l; do case $drone_l in',
  'p) [ -z "$drone_w" ] || kill -s USR1 $drone_w;;',
  'q) [ -z "$drone_w" ] || kill $drone_w; echo q >&4; exit;;',
  '*) echo $drone_l >&4; while [ $drone_l -gt 0 ]; do IFS= read -r drone_m; printf "%s\\n" "$drone_m" >&4',
  'drone_l=$((drone_l-1)); done;; esac; done',
  'drone_end ) <&7 & exec 4>&- 7<&-',
];

/**
 * Sets drone_f to T when the process $1, born during the command, may have its output or be in its group. It may not if it
 * belongs to a session that is older than the command, since no process can enter one. Higher numbers than its own are of
 * older sessions, too, from before the numbers began anew. The watch starts its own sleeps.
 */
const LOOK = [
  'drone_look() { drone_m=',
  '{ while IFS= read -r drone_l; do drone_m="$drone_m$drone_l "; done </proc/$1/stat; } 2>/dev/null',
  '[ -n "$drone_m" ] || return; set -- ${drone_m##*") "}; case $1 in [ZX]) return;; esac',
  '[ $2 != "$drone_w" ] || return; if [ $4 = $$ ]; then drone_f=T; fi',
  'if [ $4 -gt $drone_g ] && [ $4 -le $drone_a ]; then drone_f=T; fi; }',
];

/**
 * Reports the end of the command, of status $1. The looks go upwards and on until no more are born: a child of one that had
 * gone when its turn came has a higher number.
 */
const REPORT = [
  'drone_report() { drone_k=; drone_f=; drone_i=0',
  'echo "$drone_n" >&2; while IFS= read -r drone_m <&6 && [ "$drone_m" != "$drone_n" ]; do',
  'if [ $1 -gt 128 ]; then drone_k=1; else printf "%s\\n" "$drone_m" >&5; fi; done; drone_a=$drone_g',
  'while read -r drone_b </proc/loadavg; drone_b=${drone_b##* }; [ -z "$drone_f" ] && [ $drone_a -ne $drone_b ]; do',
  `if [ $drone_b -lt $drone_a ] || [ $((drone_b-drone_g)) -gt ${String(MOST_BORN)} ] ||`,
  `[ $((drone_i+=1)) -gt ${String(MOST_LOOKS)} ]; then drone_f=T; break; fi`,
  'while [ $drone_a -lt $drone_b ]; do drone_a=$((drone_a+1))',
  'if [ -d /proc/$drone_a ]; then drone_look $drone_a; fi; done; done',
  'if [ -n "$drone_k" ]; then printf "%sX%s S" "$drone_n" "$drone_f"; kill -l $1 || echo',
  'else echo "${drone_n}X$drone_f $1"; fi; echo "${drone_n}Z" >&5; }',
];

const SERVE = [
  'trap drone_x=1 TERM HUP INT; trap : PIPE',
  'drone_fdinfo() { while read -r drone_l drone_m; do case $drone_l in ino:) drone_k="$drone_k $drone_m";; esac; done; }',
  'drone_k=; drone_fdinfo </proc/$$/fdinfo/1; drone_fdinfo </proc/$$/fdinfo/5',
  'echo "${drone_n}R $$$drone_k"; echo "${drone_n}R" >&5; exec </dev/null',
  'while IFS= read -r drone_l <&3 && [ "$drone_l" != q ]; do drone_t=',
  'while [ $drone_l -gt 0 ]; do IFS= read -r drone_m <&3; drone_t="$drone_t$drone_m\n"; drone_l=$((drone_l-1)); done',
  'read -r drone_g </proc/loadavg; drone_g=${drone_g##* }; eval "$drone_t"; drone_report $?',
  '[ -z "$drone_x" ] || exit; done',
];

export interface LaneSettings {
  readonly nonce: string;
  readonly killGraceMs: number;
  readonly linkSilenceMs: number;
}

/** The first line on stdin. */
export function laneText({ nonce, killGraceMs, linkSilenceMs }: LaneSettings): string {
  const program = [
    ...CHECKS,
    ...PIPES,
    ...END,
    'exec 7<&0',
    ...(linkSilenceMs === Infinity ? ['drone_w='] : WATCH),
    ...READER,
    ...LOOK,
    ...REPORT,
    ...SERVE,
  ].join('\n');
  const grace = `drone_grace=${seconds(killGraceMs)}; drone_silence=${seconds(linkSilenceMs)}`;
  return `unset drone_n drone_t; drone_n=${nonce}; ${grace}; eval "$(printf "${octal(program)}")"\n`;
}

/**
 * The lines that have a lane run the command, with their number in front. Undefined for what a lane does not run: long
 * commands, much or unusual input, variables that a shell cannot set.
 */
export function callText({ script, cwd, env = {} }: ShellCommand, input: string | Uint8Array = ''): Buffer | undefined {
  const names = Object.keys(env);
  const stdin = bytesOf(input);
  const isInput = stdin.length <= LONGEST_INPUT_BYTES && !stdin.includes('\0') && /^$|\n$/.test(stdin);
  if (!isInput || !names.every(isSettable)) return undefined;
  const variables = names.map(name => `${name}=${wordOf(env[name] ?? '')}`).join(' ');
  const shell = `/bin/sh -c ${wordOf(PREFIX + script)}`;
  const end = `drone-${String(stdin.length)}`;
  const here = stdin === '' ? '' : ` <<'${end}'\n${stdin}${end}`;
  const line = cwd === undefined ? `${variables} ${shell}` : `( ${entered(cwd, variables)}exec ${shell} )`;
  const text = `${bytesOf(line)}${here}\n`;
  if (text.length > LONGEST_CALL_BYTES || stdin.includes(`\n${end}\n`) || stdin.startsWith(`${end}\n`))
    return undefined;
  return Buffer.from(`${String(text.split('\n').length - 1)}\n${text}`, 'latin1');
}

function entered(cwd: string, variables: string): string {
  const word = wordOf(cwd.startsWith('/') ? cwd : `./${cwd}`);
  return [
    `cd -P -- ${word} 2>/dev/null || { drone_m=ENOENT; if [ -d ${word} ]; then drone_m=EACCES; `,
    `elif [ -e ${word} ]; then drone_m=ENOTDIR; fi; echo "\${drone_n}C $drone_m"; exit 1; }; unset OLDPWD; `,
    variables === '' ? '' : `export ${variables}; `,
  ].join('');
}

/** One character per byte. */
function bytesOf(text: string | Uint8Array): string {
  return Buffer.from(text).toString('latin1');
}

function seconds(ms: number): string {
  return String(Math.min(Math.ceil(ms / 1000), LONGEST_S));
}
