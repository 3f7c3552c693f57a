/**
 * Runs the system's git, alone with what it is given: no prompts, no hooks, no configuration of the user or the machine.
 *
 * By child_process: a git that hangs does so in a child of its own (ssh, git-remote-https, index-pack), so what has to be
 * ended is a process group, which neither execa 9 nor simple-git 4 do.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { onAbort } from '../wait/abort.js';
import { MAX_TIMER_MS } from '../wait/clock.js';
import { type Log, silentLog } from '../report/log.js';
import { environment, integer, milliseconds, text } from '../option/option-kinds.js';
import { readOptions, type Settings, type Table } from '../option/option-table.js';
import { GitError, isTransient } from './git-error.js';
import { runInGroup } from '../process/run-in-group.js';
import { leaveStuck, refuseStuck } from './stuck-git.js';
import { controllerArgs } from './surviving-processes.js';

/** How git is run. */
export interface GitOptions {
  /** The program. Default `git`. */
  program?: string | undefined;
  /** For one git command, ms. Default 300,000. */
  timeoutMs?: number | undefined;
  /**
   * From TERM to KILL for the processes of a git command that is ended, ms. Default 2,000. What is there 5 s after the KILL is
   * left behind (`ERR_GIT_STUCK`).
   */
  killGraceMs?: number | undefined;
  /** How often a command that talks to a server is run when the failure looks as if it would pass. Default 3. */
  attempts?: number | undefined;
  /** Between two attempts, ms; each further one after twice as long. Default 1,000. */
  retryDelayMs?: number | undefined;
  /**
   * Command of ssh, for `GIT_SSH_COMMAND`. Default
   * `ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=15`.
   */
  sshCommand?: string | undefined;
  /** Who merges. Default `drone-task-queue`. */
  committerName?: string | undefined;
  /** Default `drone-task-queue@localhost`. */
  committerEmail?: string | undefined;
  /** Added to git's environment; nothing in it is taken from this process's but HOME, PATH, proxies and the ssh agent. */
  env?: Readonly<Record<string, string>> | undefined;
}

/** How one command is run. */
export interface GitRun {
  /** Default: the root folder. */
  readonly cwd?: string;
  readonly input?: string;
  /** Tried again when the failure looks as if it would pass. */
  readonly isRemote?: boolean;
  /** Exit status that is an answer, besides 0. */
  readonly orStatus?: number;
  readonly signal?: AbortSignal | undefined;
  /** The repository: refused to all other commands while one that could not be ended is still there. */
  readonly place?: string;
}

/** How a process of git ended. */
interface GitEnd {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** Why it was ended by us, if it was. */
  readonly ended: Ended | undefined;
  /** Its process group, when that could not be ended. */
  readonly stuck: number | undefined;
}

type Ended = 'timeout' | 'output' | 'cancelled';

/** What a command gave. */
export interface GitAnswer {
  readonly exitCode: number;
  readonly stdout: Buffer;
  /** Stdout without white space at its ends. */
  readonly text: string;
}

export const GIT = {
  program: text().or('git'),
  timeoutMs: milliseconds({ above: 0, to: MAX_TIMER_MS }).or(300_000),
  killGraceMs: milliseconds({ from: 0, to: MAX_TIMER_MS }).or(2_000),
  attempts: integer({ from: 1 }).or(3),
  retryDelayMs: milliseconds({ from: 0, to: MAX_TIMER_MS }).or(1_000),
  sshCommand: text().or('ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=15'),
  committerName: text().or('drone-task-queue'),
  committerEmail: text().or('drone-task-queue@localhost'),
  env: environment(),
} satisfies Table<GitOptions>;

const KEPT = /^(HOME|PATH|TMPDIR|USER|LOGNAME|SSH_AUTH_SOCK|(https?|all|no)_proxy|SSL_CERT_(FILE|DIR))$/i;
/** Of stdout and stderr together. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
/** A git that is still there so long after KILL hangs in the kernel. */
const GIVE_UP_MS = 5000;

/** Each is stronger than what a repository's own configuration says. */
const CONFIG = {
  'core.hooksPath': '/dev/null',
  'core.attributesFile': '/dev/null',
  'core.excludesFile': '/dev/null',
  'core.fsmonitor': 'false',
  'core.autocrlf': 'false',
  'core.askPass': '',
  'credential.helper': '',
  'commit.gpgSign': 'false',
  'fetch.recurseSubmodules': 'false',
  'submodule.recurse': 'false',
  'rerere.enabled': 'false',
  // It is a step of its own, so that no update fails for it.
  'maintenance.auto': 'false',
  // In the background it would outlive the command, and with it the lock of the repository.
  'gc.autoDetach': 'false',
  'maintenance.autoDetach': 'false',
  // A server that says nothing for a minute has gone. (While it counts objects it says so every five seconds.)
  'http.lowSpeedLimit': '1',
  'http.lowSpeedTime': '60',
} as const;

const CONFIG_ARGS = Object.entries(CONFIG).flatMap(([name, value]) => ['-c', `${name}=${value}`]);

/** Every command is run in a process group, within its time. */
export class Git {
  readonly #settings: Settings<typeof GIT>;
  readonly #env: NodeJS.ProcessEnv;
  readonly #ownArgs: readonly string[];
  readonly #log: Log;

  /** Throws TypeError (`ERR_INVALID_ARG`) that names the option at fault. */
  constructor(options: GitOptions = {}, log: Log = silentLog) {
    this.#log = log;
    this.#ownArgs = [...CONFIG_ARGS, ...controllerArgs()];
    this.#settings = readOptions(GIT, options);
    const { committerName: NAME, committerEmail: EMAIL, env, sshCommand } = this.#settings;
    this.#env = {
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => KEPT.test(name))),
      ...env,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_ATTR_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_ASKPASS: 'false',
      SSH_ASKPASS: 'false',
      GIT_EDITOR: 'true',
      GIT_LITERAL_PATHSPECS: '1',
      // No ext::, which is a command.
      GIT_ALLOW_PROTOCOL: 'file:git:http:https:ssh',
      GIT_SSH_COMMAND: sshCommand,
      // What it says is searched for known words.
      LC_ALL: 'C',
      ...Object.fromEntries(
        ['COMMITTER', 'AUTHOR'].flatMap(who =>
          Object.entries({ NAME, EMAIL }).map(([field, value]) => [`GIT_${who}_${field}`, value]),
        ),
      ),
    };
  }

  /**
   * Rejects with GitError, or with the reason of `signal`; either when all processes of the command have ended, or could not
   * be ended.
   */
  async run(args: readonly string[], run: GitRun = {}): Promise<GitAnswer> {
    const { isRemote = false, signal } = run;
    const { attempts, retryDelayMs } = this.#settings;
    for (let attempt = 1, waitMs = retryDelayMs; ; attempt++, waitMs = Math.min(2 * waitMs, MAX_TIMER_MS)) {
      try {
        return await this.#runOnce(args, run);
      } catch (error) {
        if (!isRemote || attempt >= attempts || !isTransient(error)) throw error;
      }
      await pause(waitMs, signal);
    }
  }

  async #runOnce(args: readonly string[], run: GitRun): Promise<GitAnswer> {
    const { orStatus = 0, signal, place } = run;
    signal?.throwIfAborted();
    const command = args.find(arg => !arg.startsWith('-')) ?? '';
    if (place !== undefined) refuseStuck(place, command);
    const { exitCode, stdout, stderr, ended, stuck } = await this.#process(command, args, run);
    const text = stdout.toString().trim();
    // A conflict is told on stdout.
    const words = `${stderr}\n${text}`;
    if (stuck !== undefined) {
      this.#log.error('git could not be ended and is left behind', { pid: stuck, command, place });
      if (place !== undefined) leaveStuck(place, stuck);
    }
    if (ended === 'cancelled') signal?.throwIfAborted();
    if (stuck !== undefined) {
      throw new GitError('ERR_GIT_STUCK', command, `could not be ended (process ${String(stuck)})`, words);
    }
    if (ended === 'timeout') {
      throw new GitError('ERR_GIT_TIMEOUT', command, `took longer than ${String(this.#settings.timeoutMs)} ms`, words);
    }
    if (ended === 'output') throw new GitError('ERR_GIT_OUTPUT', command, 'wrote too much', '');
    if (exitCode === 0 || (exitCode !== null && exitCode === orStatus)) return { exitCode, stdout, text };
    const how = exitCode === null ? 'was killed' : `failed with ${String(exitCode)}`;
    throw new GitError('ERR_GIT_FAILED', command, how, words, { exitCode });
  }

  /** Runs it to its end and that of its output, or ends it with all of its group. */
  async #process(command: string, args: readonly string[], run: GitRun): Promise<GitEnd> {
    const { cwd = '/', input: stdin, signal } = run;
    const { program, timeoutMs, killGraceMs } = this.#settings;
    const output = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
    let bytes = 0;
    const end = new AbortController();
    const timer = setTimeout(() => {
      end.abort('timeout' satisfies Ended);
    }, timeoutMs);
    const stopListening = onAbort(signal, () => end.abort('cancelled' satisfies Ended));
    try {
      const { pid, exitCode, fate } = await runInGroup(program, [...this.#ownArgs, ...args], {
        cwd,
        env: this.#env,
        stdin,
        signal: end.signal,
        killGraceMs,
        killWaitMs: GIVE_UP_MS,
        output: (stream, chunk) => {
          bytes += chunk.byteLength;
          if (bytes <= MAX_OUTPUT_BYTES) output[stream].push(chunk);
          else end.abort('output' satisfies Ended);
          return undefined;
        },
      });
      return {
        exitCode,
        stdout: Buffer.concat(output.stdout),
        stderr: Buffer.concat(output.stderr).toString(),
        ended: fate === undefined ? undefined : (end.signal.reason as Ended),
        stuck: fate === undefined || fate === 'gone' ? undefined : pid,
      };
    } catch (error) {
      const { message } = error as Error;
      throw new GitError('ERR_GIT_NOT_STARTED', command, 'could not be started', message, { cause: error });
    } finally {
      clearTimeout(timer);
      stopListening();
    }
  }
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
