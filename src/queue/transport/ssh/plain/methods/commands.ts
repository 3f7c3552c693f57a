/** `executeCommand` without an agent. See queue/agent/execute-command.ts. */
/* eslint-disable no-template-curly-in-string -- sh expands ${…}, not JavaScript */
import { posix } from 'node:path';
import { onAbort } from '../../../../../wait/abort.js';
import { Cancelled, type CallContext } from '../../../../agent/call-context.js';
import { DEFAULT_PATH, executeCommandArguments, noProgram, pidfileInUse } from '../../../../agent/command-arguments.js';
import { leaderScript } from '../../../../agent/leader-script.js';
import type { Command } from '../command.js';
import { isSettable } from '../shell-text.js';
import { absolute, MAKE, makeSteps } from './directories.js';
import { PLACE } from './files.js';
import { FAILED, type MethodCall, quoted, runScript, systemStep, unexplained, withSignal } from './script.js';
import { codeIn } from './system-error.js';

/** How long a leader without a go-ahead may take to end by itself before its starter is ended. */
const RELEASE_WAIT_MS = 500;
/** Linux's limits for one argument or variable, and for all of them, with the zero bytes at their ends. */
const LONGEST_TEXT_BYTES = 128 * 1024;
const MOST_TEXT_BYTES = 6 * 1024 * 1024;

const FAILURE = new RegExp(`^${FAILED}`, 'm');

/** Its stdout is the log by then, and 3 the pipe to its starter. */
const LEADER = leaderScript({ hello: 'echo $$ >&3; exec 2>&1', released: 'echo go >&3; exec 3>&-' });

/** Sets drone_program to the program that it finds, or drone_why to the reason why there is none. */
const FIND = [
  'drone_program=; drone_why=ENOENT',
  'try() { if [ -f "$1" ] && [ -x "$1" ]; then drone_program=$1; return 0; fi',
  'if [ -e "$1" ] || { [ -d "${1%/*}" ] && [ ! -x "${1%/*}" ]; }; then drone_why=EACCES; fi; return 1; }',
  `case $6 in x*) drone_search=\${6#x};; *) drone_search=\${drone_path:-${DEFAULT_PATH}};; esac`,
  'case $4 in /*) try "$4";; *) drone_left=$drone_search:; while [ -n "$drone_left" ]; do',
  'drone_at=${drone_left%%:*}; drone_left=${drone_left#*:}',
  'case $drone_at in /*) ;; "") drone_at=$1;; *) drone_at=$1/$drone_at;; esac',
  'if try "${drone_at%/}/$4"; then break; fi; done;; esac',
  'if [ -z "$drone_program" ]; then printf "%s\\n" "$drone_search"; fail "$drone_why"; fi',
];

/** Fails when the pidfile names a leader that runs, with its pid as in the output of a start. */
const REFUSE_TAKEN = [
  'if [ -f "$3" ] && [ ! -L "$3" ]; then drone_pid=; drone_status=',
  '{ read -r drone_pid; read -r drone_status; } 2>/dev/null <"$3"',
  'case $drone_pid:$drone_status in :* | *[!0-9]*: | *:?*) ;; *)',
  'drone_shown=$({ if [ -r /proc/self/stat ]; then tr "\\000" " " <"/proc/$drone_pid/cmdline"',
  'else ps -ww -o args= -p "$drone_pid"; fi; } 2>/dev/null)',
  'case $drone_shown in *" sh $3 "*) printf "leader %s\\n" "$drone_pid"; fail running;; esac;; esac; fi',
];

/**
 * Arguments: directory, log or nothing, pidfile, program, text of sh that sets the variables, PATH after an x, or nothing,
 * directory of the log, the leader's script; then the command's own.
 *
 * setsid twice: the first leads a session of its own, so the second forks. Started with `&` instead, the command would
 * ignore SIGINT and SIGQUIT. The leader waits for a line on our stdin, which the caller sends when it has the pid.
 */
const EXECUTE = [
  MAKE,
  PLACE,
  'make "$1"',
  ...FIND,
  'printf "program %s\\n" "$drone_program"; drone_setsid=$(command -v setsid) || fail setsid; drone_env=$(command -v env)',
  ...REFUSE_TAKEN,
  'if [ -n "$2" ]; then make "$7" log; drone_date=$(date -u +%Y-%m-%dT%H:%M:%SZ)',
  'printf "\\n--- %s %s ---\\n" "$drone_date" "$drone_program" | tee -a -- "$2" >/dev/null || fail log; fi',
  'drone_in=$1; drone_log=${2:-/dev/null}; drone_pidfile=$3; drone_exports=$5; drone_leader=$8; shift 8',
  '{ cd -P -- "$drone_in" 2>/dev/null || { echo cd; exit; }; unset OLDPWD',
  'PATH=$drone_path; case $drone_locale in x*) LC_ALL=${drone_locale#x};; *) unset LC_ALL;; esac',
  'set -- /bin/sh -c "$drone_leader" sh "$drone_pidfile" "$drone_program" "$@"; eval "$drone_exports"',
  'exec "$drone_setsid" "$drone_setsid" "$@" 3>&1 >>"$drone_log"; } |',
  // What fails here keeps the leader from its go; it is waited for.
  `{ fail() { printf '${FAILED}%s\\n' "$1"; while read -r drone_go; do :; done; exit 1; }`,
  'read -r drone_pid || fail start; case $drone_pid in cd) fail cd;; esac; drone_draft=$drone_pidfile.$drone_pid.new',
  'echo "leader $drone_pid"',
  'printf "%s\\n" "$drone_pid" | tee -- "$drone_draft" >/dev/null || fail draft',
  'if [ -d "$drone_pidfile" ] && [ ! -L "$drone_pidfile" ]; then rm -f -- "$drone_draft"; fail folder; fi',
  'place "$drone_draft" "$drone_pidfile" || fail rename',
  'echo "pid $drone_pid"; read -r drone_go || fail stopped; }',
].join('\n');

export async function executeCommand(call: MethodCall, command: unknown, options: unknown): Promise<{ pid: number }> {
  const { name, args, workingDirectory, logFile, pidfileName, env } = executeCommandArguments(command, options);
  const folder = await absolute(call, workingDirectory);
  const pidfile = posix.resolve(folder, pidfileName);
  const log = logFile === undefined ? '' : posix.resolve(folder, logFile);
  const wanted = name.includes('/') ? posix.resolve(folder, name) : name;
  const variables = { ...call.drone.env, ...env };
  const { PATH } = variables;
  checkSize(wanted, folder, [...args, ...Object.entries(variables).map(entry => entry.join('='))]);
  const release = new Release(call.context);
  const { failed, stdout, stderr, exit } = await runScript(
    { ...call, context: release.context },
    {
      text: EXECUTE,
      args: [
        folder,
        log,
        pidfile,
        wanted,
        exportsOf(variables),
        PATH === undefined ? '' : `x${PATH}`,
        posix.dirname(log),
        LEADER,
        ...args,
      ],
      feed: release.feed,
      onOutput: release.take,
    },
  ).finally(() => release.over());
  const { pid } = release;
  if (pid !== undefined && exit.exitCode === 0) return { pid };
  if (call.context.signal.aborted) throw new Cancelled(true);
  const printed = stdout.toString();
  const { program = wanted } = /^program (?<program>[^]*?)\n(?:leader|failed)/.exec(printed)?.groups ?? {};
  const looked = name.includes('/') ? wanted : `${name} in PATH (${printed.split(`\n${FAILED}`)[0] ?? ''})`;
  const leader = /^leader (\d+)$/m.exec(printed)?.[1] ?? '';
  const draft = `${pidfile}.${leader}.new`;
  const errors: Readonly<Record<string, (code: string | undefined) => Error | undefined>> = {
    ...makeSteps(folder),
    ...makeSteps(posix.dirname(log), 'log'),
    ENOENT: () => noProgram('ENOENT', looked),
    EACCES: () => noProgram('EACCES', looked),
    setsid: () => noSetsid(program),
    running: () => pidfileInUse(program, pidfile, Number(leader)),
    log: systemStep({ syscall: 'open', path: log }),
    cd: () => cannotStart(program, folder, 'EACCES'),
    start: code => (code === undefined ? undefined : cannotStart(program, folder, code)),
    draft: systemStep({ syscall: 'open', path: draft }),
    folder: () => systemStep({ syscall: 'rename', path: draft, dest: pidfile })('EISDIR'),
    rename: systemStep({ syscall: 'rename', path: draft, dest: pidfile }),
  };
  throw errors[failed ?? '']?.(codeIn(stderr)) ?? unexplained(call, { failed, stdout, stderr, exit });
}

function cannotStart(program: string, folder: string, code: string): Error {
  return Object.assign(new Error(`cannot start ${program} in working directory ${folder}: spawn ${code}`), { code });
}

/** What no system accepts must not go through a shell, which reads it byte by byte. */
function checkSize(program: string, folder: string, texts: readonly string[]): void {
  const sizes = texts.map(text => Buffer.byteLength(text) + 1);
  const isTooLarge =
    sizes.some(size => size > LONGEST_TEXT_BYTES) || sizes.reduce((a, b) => a + b, 0) > MOST_TEXT_BYTES;
  if (isTooLarge) throw cannotStart(program, folder, 'E2BIG');
}

function noSetsid(program: string): Error {
  const why = 'the drone has no setsid, which would give it a process group';
  return Object.assign(new Error(`executeCommand: cannot start ${program}: ${why}`), { code: 'ERR_NO_SETSID' });
}

/** Sends the go-ahead once the pidfile is written, unless the call was cancelled by then. */
class Release {
  /** Replaces the call's own context: aborted when a cancelled start does not end by itself. */
  readonly context: CallContext;
  pid: number | undefined;
  readonly #call: CallContext;
  readonly #stop = new AbortController();
  readonly #stopListening: () => void;
  #command: Command | undefined;
  #isEnded = false;
  #timer: NodeJS.Timeout | undefined;
  #line = '';

  constructor(call: CallContext) {
    this.#call = call;
    this.context = withSignal(call, this.#stop.signal);
    this.#stopListening = onAbort(call.signal, () => this.#cancel());
  }

  readonly feed = (command: Command): void => {
    this.#command = command;
    if (this.#call.signal.aborted) this.#end();
  };

  readonly take = (chunk: Uint8Array): void => {
    if (this.#isEnded) return;
    this.#line += Buffer.from(chunk).toString('latin1');
    const { pid } = /^pid (?<pid>\d+)\n/m.exec(this.#line)?.groups ?? {};
    if (pid !== undefined) {
      this.pid = Number(pid);
      this.#end(this.#call.signal.aborted ? undefined : 'go\n');
    } else if (FAILURE.test(this.#line)) {
      this.#end();
    }
  };

  over(): void {
    this.#stopListening();
    clearTimeout(this.#timer);
  }

  #end(bytes?: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#command?.endInput(bytes);
  }

  /** A leader that has its go-ahead is not stopped: what it started lives on. */
  #cancel(): void {
    if (this.#isEnded && this.pid !== undefined) return;
    if (this.#command === undefined) {
      this.#stop.abort();
      return;
    }
    this.#end();
    this.#timer = setTimeout(() => this.#stop.abort(), RELEASE_WAIT_MS);
  }
}

/** Exports the variables; those that no shell can set go in front of the command, as arguments of env. */
function exportsOf(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) =>
      isSettable(name) ? `export ${name}=${quoted(value)}` : `set -- "$drone_env" ${quoted(`${name}=${value}`)} "$@"`,
    )
    .join('\n');
}
