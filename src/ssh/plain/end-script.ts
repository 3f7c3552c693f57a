/**
 * The script that ends processes on a drone: TERM, after the grace KILL. It says `<pid> <how>` as soon as it knows:
 * `gone`, `alive` (also after KILL), `refused` (not ours to signal) or `system` (left alone).
 *
 * A group counts as gone when no member of it is left but zombies: where process 1 does not reap orphans, as in many
 * containers, dead members answer to signals for ever. Plain sh, and of programs only sleep, with ps where there is no
 * /proc.
 */
/* eslint-disable no-template-curly-in-string -- in sh ${…} is no template */

/** `command`: the shell of a command that we started, as a rule a group's leader. `any`: whatever, with its group. */
export interface Target {
  readonly kind: 'command' | 'any';
  readonly pid: number;
}

export const END_WORDS = ['gone', 'alive', 'refused', 'system'] as const;
export type EndWord = (typeof END_WORDS)[number];

/** How long a group may take to vanish after KILL, s. */
const KILL_WAIT = '0.5';

const FUNCTIONS = [
  // $l: who lives, as " pid/group pid/group ".
  'look() { l=" "; if [ -r /proc/self/stat ]; then for f in /proc/[0-9]*/stat; do',
  '{ read -r s <$f; } 2>/dev/null || continue;',
  // The name, in brackets, may hold anything; behind it stand state, parent and group.
  'set -- ${s##*") "}; f=${f#/proc/}; case $1 in Z|X) ;; *) l="$l${f%/stat}/$3 ";; esac; done;',
  'else set -- $(ps -A -o pid= -o pgid= -o stat=); while [ $# -gt 2 ]; do',
  'case $3 in Z*) ;; *) l="$l$1/$2 ";; esac; shift 3; done; fi; };',
  // Of what is signalled as $1: a group, with a minus in front, or a process.
  'lives() { case $1 in -*) k="/${1#-} ";; *) k=" $1/";; esac; case "$l" in *"$k"*) return 0;; esac; return 1; };',
  // Until those of $w are gone, at most $1 s; a sleep in the background is the clock.
  'await() { sleep $1 >/dev/null 2>&1 & c=$!; while [ -n "$w" ]; do look; v=; for e in $w; do',
  'if lives ${e#*=}; then v="$v $e"; else echo "${e%%=*} gone"; fi; done; w=$v;',
  'if [ -z "$w" ]; then break; fi; kill -0 $c 2>/dev/null || break; sleep $nap; done; kill $c 2>/dev/null; };',
];

const TERM = [
  // The group by the table, where its leader may be gone already and have left it the number. A command without a group
  // of its own shares that of the server: there only the shell is ended.
  'p=${a#?}; t=-$p; case "$l" in *" $p/"*) g=${l#*" $p/"}; g=${g%%" "*};',
  'if [ $g -ne $p ]; then case $a in c*) t=$p;; *) t=-$g;; esac; fi;; esac;',
  // And a group that this very shell is in: on such a server, the group of all that came over its connection.
  'if [ ${t#-} -le 1 ] || [ "$t" = "-$own" ]; then echo "$p system"; continue; fi;',
  'if kill -s TERM -- $t 2>/dev/null; then w="$w $p=$t"; continue; fi;',
  'look; if lives $t; then echo "$p refused"; else echo "$p gone"; fi;',
];

/** Text for /bin/sh. */
export function endScript(targets: readonly Target[], graceMs: number): string {
  const list = targets.map(({ kind, pid }) => `${kind === 'command' ? 'c' : 'a'}${String(pid)}`);
  const grace = (graceMs / 1000).toFixed(3);
  return [
    ...FUNCTIONS,
    // Some systems sleep for whole seconds only.
    `w=; nap=0.05; grace=${grace}; last=${KILL_WAIT};`,
    `sleep 0.01 2>/dev/null || { nap=1; grace=${String(Math.ceil(graceMs / 1000))}; last=1; };`,
    'look; own=${l#*" $$/"}; own=${own%%" "*};',
    `for a in ${list.join(' ')}; do`,
    ...TERM,
    'done; await $grace;',
    'for e in $w; do kill -s KILL -- ${e#*=} 2>/dev/null; done; await $last;',
    'for e in $w; do echo "${e%%=*} alive"; done',
  ].join(' ');
}
