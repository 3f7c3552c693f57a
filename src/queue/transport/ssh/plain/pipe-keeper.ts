/**
 * Keeps what a command left in the background from dying of SIGPIPE once our channel to it closes.
 *
 * The server holds the pipes' only read ends and closes them with the channel. So before that, a `cat` on the drone opens
 * the pipe anew through /proc, then reads and discards until its last writer ends. One command serves all requests made at
 * the same time.
 */
/* eslint-disable no-template-curly-in-string -- in sh ${…} is not a template */
import { runNow, type Way } from './ender.js';
import { execText } from './shell-text.js';

/** The command's output pipes by their inode numbers; empty where the system does not tell. */
export type PipeIds = readonly string[];

interface Wanted {
  readonly pipes: PipeIds;
  readonly done: () => void;
}

export class PipeKeeper {
  readonly #way: Way;
  #wanted: Wanted[] = [];
  #working: Promise<void> | undefined;

  constructor(way: Way) {
    this.#way = way;
  }

  /**
   * Resolves when the pipes have another reader, or can have none: where the drone has no /proc, or the pipe belongs to
   * another user.
   */
  keep(pipes: PipeIds): Promise<void> {
    if (pipes.length === 0) return Promise.resolve();
    return new Promise(done => {
      this.#wanted.push({ pipes, done });
      this.#working ??= this.#work();
    });
  }

  /** Resolves when no request is left. */
  async over(): Promise<void> {
    await this.#working;
  }

  async #work(): Promise<void> {
    // More may be wanted in the same turn.
    await new Promise(setImmediate);
    while (this.#wanted.length > 0) {
      const wanted = this.#wanted;
      this.#wanted = [];
      const script = keepScript(wanted.flatMap(({ pipes }) => pipes));
      // Without a reader they get SIGPIPE, as with any other client that closes its channel.
      await runNow(this.#way, execText({ script }), () => undefined).catch(() => undefined);
      for (const { done } of wanted) done();
    }
    this.#working = undefined;
  }
}

/** A process that redirects its output for one command has it at another descriptor meanwhile: a look may miss it. */
const LOOKS = 20;

/**
 * Text for /bin/sh. Any descriptor of the pipe will do, whichever process has it: opened by its name in /proc, it gives a
 * new read end. A signal to the group or the end of the connection must not end a reader.
 */
export function keepScript(pipes: PipeIds): string {
  return [
    `trap "" HUP INT QUIT TERM PIPE; cd /; kept=" "; looks=${String(LOOKS)};`,
    'while [ $((looks-=1)) -ge 0 ]; do kept=$kept$(',
    `ls -ln /proc/[0-9]*/fd/ 2>/dev/null | grep -e "^/proc/" ${pipes.map(pipe => `-e "-> pipe:.${pipe}.$"`).join(' ')} |`,
    '{ while read -r line; do case $line in /proc/*) folder=${line%:}; continue;; esac;',
    'pipe=${line##*-> }; case "$kept" in *" $pipe "*) continue;; esac;',
    // What has been opened may be another file by now.
    'line=${line% -> *}; if { while read -r name inode; do [ "$name" != ino: ] || break; done </proc/self/fdinfo/3;',
    '[ "$pipe" = "pipe:[$inode]" ] && { cat <&3 3<&- >/dev/null 2>&1 & }; } 3<"$folder${line##* }";',
    'then kept="$kept$pipe "; printf "%s " "$pipe"; fi;',
    'done; } 2>/dev/null );',
    `for pipe in ${pipes.join(' ')}; do case "$kept" in *" pipe:[$pipe] "*) ;; *) continue 2;; esac; done; break;`,
    'done',
  ].join(' ');
}
