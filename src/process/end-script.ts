/**
 * The script that ends processes: TERM, and KILL after the grace. It prints `<pid> <word>` as soon as it knows: `gone`,
 * `alive` (even after KILL), `refused` (not ours to signal), `system` (left alone) or `unknown` (no such agent, or a
 * command in the server's group that may have left an orphan). The first word about a pid counts.
 *
 * A group counts as gone when only zombies are left: where process 1 does not reap orphans, as in many containers, dead
 * members answer to signals forever. Plain sh, with sleep, and ps where there is no /proc.
 */
/* eslint-disable no-template-curly-in-string -- in sh ${…} is not a template */

export type Target =
  /** `command`: the shell of a command of ours, usually a group's leader. `any`: any process, with its group. */
  | { readonly kind: 'command' | 'any'; readonly pid: number }
  /**
   * A hung agent, killed at once, and the groups that it runs, ended as usual. A process without `marker` in its
   * arguments has inherited the pid and is left alone.
   */
  | { readonly kind: 'agent'; readonly pid: number; readonly marker: string };

export const END_WORDS = ['gone', 'alive', 'refused', 'system', 'unknown'] as const;
export type EndWord = (typeof END_WORDS)[number];

/**
 * First line of the shell script of a detached command. An agent's end ends its group-leading children, but not such a
 * shell.
 */
export const LIVES_ON = ': drone-lives-on';

/** How long a group may take to vanish after KILL, s. */
const KILL_WAIT = '0.5';
/** As good as endless, and a number that every `sleep` accepts, ms. */
const LONGEST_GRACE_MS = 2 ** 31 - 1;

const FUNCTIONS = [
  // $l: who lives, as " pid/group pid/group "; $k: the same as " parent/pid/group"; $d: those that lead their group, as
  // " parent/pid".
  'look() { l=" "; k=; d=; if [ -r /proc/self/stat ]; then for f in /proc/[0-9]*/stat; do',
  '{ s=; while read -r r; do s="$s $r"; done <$f; [ -n "$s" ]; } 2>/dev/null || continue;',
  // The name, in brackets, may hold anything, the end of a line too; behind it stand state, parent and group.
  'set -- ${s##*") "}; f=${f#/proc/}; note ${f%/stat} $2 $3 $1; done;',
  'else set -- $(ps -A -o pid= -o ppid= -o pgid= -o stat=); while [ $# -gt 3 ]; do',
  'note $1 $2 $3 $4; shift 4; done; fi; };',
  'note() { case $4 in [ZX]*) return;; esac; l="$l$1/$3 "; k="$k $2/$1/$3"; if [ $1 = $3 ]; then d="$d $2/$1"; fi; };',
  // Of what is signalled as $1: a group, with a minus in front, or a process.
  'lives() { case $1 in -*) i="/${1#-} ";; *) i=" $1/";; esac; case "$l" in *"$i"*) return 0;; esac; return 1; };',
  // Until those of $w are gone, at most $1 s; a sleep in the background is the clock. A name in $w may stand for several.
  'await() { sleep $1 >/dev/null 2>&1 & c=$!; while [ -n "$w" ]; do look; v=; for e in $w; do',
  'if lives ${e#*=}; then v="$v $e"; fi; done;',
  'for e in $w; do case "$v" in *" ${e%%=*}="*) ;; *) echo "${e%%=*} gone";; esac; done; w=$v;',
  'if [ -z "$w" ]; then break; fi; kill -0 $c 2>/dev/null || break; sleep $nap; done; kill $c 2>/dev/null; };',
];

const TREE_FUNCTIONS = [
  // Ends process $p, of group $g, with its descendants $q. Stopped first, they start nothing more meanwhile.
  'tree() { q=" $p "; n=$q; while [ -n "$n" ]; do kill -s STOP $n 2>/dev/null; n=; look; for e in $k; do',
  'h=${e#*/}; h=${h%/*}; case "$q" in *" $h "*) continue;; esac;',
  'case "$q" in *" ${e%%/*} "*) q="$q$h "; n="$n $h";; esac; done; done;',
  // An orphan of that group may be the command's, too, or that of another one: the end is then not known.
  'for e in $k; do h=${e#*/}; case $h in $g/*) continue;; */$g) ;; *) continue;; esac;',
  'case "$l" in *" ${e%%/*}/$g "*) ;; *) echo "$p unknown"; break;; esac; done;',
  'v=; for e in $q; do if kill -s TERM $e 2>/dev/null; then v=1; w="$w $p=$e"; kill -s CONT $e; continue; fi;',
  'look; if lives $e; then v=1; echo "$p refused"; fi; done; if [ -z "$v" ]; then echo "$p gone"; fi; };',
];

const TERM = [
  // The group by the table, where its leader may be gone already and have left it the number. A server without
  // process groups runs a command in its own: then the script ends only the command and its descendants.
  'p=${a#?}; t=-$p; case "$l" in *" $p/"*) g=${l#*" $p/"}; g=${g%%" "*};',
  'if [ $g -ne $p ]; then case $a in c*) tree; continue;; *) t=-$g;; esac; fi;; esac;',
  // And a group that this very shell is in: on such a server, the group of all that came over its connection.
  'if [ ${t#-} -le 1 ] || [ "$t" = "-$own" ]; then echo "$p system"; continue; fi;',
  'if kill -s TERM -- $t 2>/dev/null; then w="$w $p=$t"; continue; fi;',
  'look; if lives $t; then echo "$p refused"; else echo "$p gone"; fi;',
];

const AGENT_FUNCTIONS = [
  // $n: the first line of what process $1 was started with. The zero bytes in it are dropped by most shells.
  'says() { n=; if [ -r /proc/self/stat ]; then IFS= read -r n </proc/$1/cmdline;',
  'else n=$(ps -ww -o args= -p $1); fi; } 2>/dev/null;',
];

const END_AGENT = [
  'm=${a#*:}; p=${a%%:*}; p=${p#?}; says $p;',
  'case $n in *"$m"*) ;; *) echo "$p unknown"; continue;; esac;',
  // Stopped, it starts nothing more; and while it lives, what it runs are its children.
  'if kill -s STOP $p 2>/dev/null; then :; else echo "$p refused"; continue; fi;',
  'look; t=; for e in $d; do case $e in $p/*) says ${e#*/};',
  `case $n in "/bin/sh-c${LIVES_ON}"*|/bin/sh?-c?"${LIVES_ON}"*) ;; *) t="$t \${e#*/}";; esac;; esac; done;`,
  'kill -s KILL $p 2>/dev/null; w="$w $p=$p";',
  'for g in $t; do if kill -s TERM -- -$g 2>/dev/null; then w="$w $p=-$g"; continue; fi;',
  'look; if lives -$g; then echo "$p refused"; fi; done; continue;',
];

/** Text for /bin/sh. It runs to its end even when nothing listens any more. */
export function endScript(targets: readonly Target[], graceMs: number): string {
  const graceS = Math.min(graceMs, LONGEST_GRACE_MS) / 1000;
  const hasAgent = targets.some(({ kind }) => kind === 'agent');
  return [
    'trap "" PIPE;',
    ...FUNCTIONS,
    ...(targets.some(({ kind }) => kind === 'command') ? TREE_FUNCTIONS : []),
    ...(hasAgent ? AGENT_FUNCTIONS : []),
    // Some systems sleep for whole seconds only.
    `w=; nap=0.05; grace=${graceS.toFixed(3)}; last=${KILL_WAIT};`,
    `sleep 0.01 2>/dev/null || { nap=1; grace=${String(Math.ceil(graceS))}; last=1; };`,
    'look; own=${l#*" $$/"}; own=${own%%" "*};',
    `for a in ${targets.map(wordOf).join(' ')}; do`,
    ...(hasAgent ? ['case $a in x*)', ...END_AGENT, ';; esac;'] : []),
    ...TERM,
    'done; await $grace;',
    'for e in $w; do kill -s KILL -- ${e#*=} 2>/dev/null; done; await $last;',
    'for e in $w; do echo "${e%%=*} alive"; done',
  ].join(' ');
}

function wordOf(target: Target): string {
  const pid = String(target.pid);
  if (target.kind === 'agent') return `x${pid}:${target.marker}`;
  return `${target.kind === 'command' ? 'c' : 'a'}${pid}`;
}
