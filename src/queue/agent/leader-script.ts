/** The shell that leads the process group of a detached command. scheduler/leader.ts knows it by its arguments. */
import { LIVES_ON } from '../../process/end-script.js';

export interface LeaderSteps {
  /** The limit of open files that the command gets; the leader's own when empty. */
  readonly filesLimit?: string;
  /** Runs first. */
  readonly hello?: string;
  /** Runs once the leader has its go-ahead. */
  readonly released?: string;
}

/**
 * The starter may be gone when the command ends, so a small shell leads the process group, records the exit status, and
 * gives the command its pid. It waits for a line on stdin until the pidfile is written: if starter or call end before,
 * nothing runs and no pidfile is left.
 *
 * The trap lets it outlive a TERM to the group; unlike an ignored signal, the command does not inherit it. `"$@"` is a
 * path, so it cannot be a word of the shell.
 */
export function leaderScript({ filesLimit = '', hello = '', released = '' }: LeaderSteps): string {
  return [
    LIVES_ON,
    ...(hello === '' ? [] : [hello]),
    'pidfile=$1',
    'shift',
    'if ! read -r go; then',
    '[ -f "$pidfile" ] && read -r pid <"$pidfile" && [ "$pid" = $$ ] && rm -f -- "$pidfile"',
    'exit 125',
    'fi 2>/dev/null',
    ...(released === '' ? [] : [released]),
    'exec </dev/null',
    'trap : HUP INT TERM',
    ...(filesLimit === '' ? [] : [`ulimit -Sn ${filesLimit} 2>/dev/null`]),
    '"$@"',
    'status=$?',
    'echo "$status" >>"$pidfile"',
  ].join('\n');
}
