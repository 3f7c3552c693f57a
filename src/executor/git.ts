/**
 * Runs the system's git without prompts, hooks, or configuration of the user or the machine. It uses child_process: git
 * hangs in its children (ssh, git-remote-https), so the process group has to be ended, which execa 9 and simple-git 4 do
 * not do.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { onAbort } from '../wait/abort.js';
import { MAX_TIMER_MS } from '../wait/clock.js';
import { Deadline } from '../wait/deadline.js';
import { type Log, silentLog } from '../report/log.js';
import { checked, environment, integer, milliseconds, text } from '../option/option-kinds.js';
import { readOptions, type Settings, type Table } from '../option/option-table.js';
import { GitError, isTransient } from './git-error.js';
import { runInGroup } from '../process/run-in-group.js';
import type { RepoName } from './repo-name.js';
import { leaveStuck, refuseStuck } from './stuck-git.js';
import { controllerArgs } from './surviving-processes.js';

/** How to run git. */
export interface GitOptions {
  /** The program. Default `git`. */
  program?: string | undefined;
  /** For one git command, ms. Default 300,000. */
  timeoutMs?: number | undefined;
  /**
   * Between TERM and KILL of a git command, ms. Default 2,000. A command that still exists 5 s after KILL counts as
   * `ERR_GIT_STUCK`.
   */
  killGraceMs?: number | undefined;
  /** How many times to run a command that talks to a server if its failures look transient. Default 3. */
  attempts?: number | undefined;
  /** Before the second attempt, ms; doubles for each further attempt. Default 1,000. */
  retryDelayMs?: number | undefined;
  /** For `GIT_SSH_COMMAND`. Default `ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=15`. */
  sshCommand?: string | undefined;
  /**
   * Repositories of other users on this machine from which git may fetch by path or file URL, as in git's
   * `safe.directory`: absolute paths of git directories, or `*` for all. Default: none.
   */
  safeDirectories?: readonly string[] | undefined;
  /** Name of the author and committer of merges. Default `drone-task-queue`. */
  committerName?: string | undefined;
  /** Default `drone-task-queue@localhost`. */
  committerEmail?: string | undefined;
  /** Added to git's environment, which takes only HOME, PATH, proxies and the ssh agent from this process. */
  env?: Readonly<Record<string, string>> | undefined;
}

/** How one command is run. */
export interface GitRun {
  /** Default: the root directory. */
  readonly cwd?: string;
  readonly input?: string | Uint8Array;
  /** Retried when the failure looks transient. */
  readonly isRemote?: boolean;
  /** Exit status other than 0 that counts as an answer. */
  readonly orStatus?: number;
  readonly signal?: AbortSignal | undefined;
  /** Where the repository is: closed to other commands while a git hangs in it. */
  readonly place?: string;
  /** For the message of a failure. */
  readonly repository?: RepoName;
  /** Default: the option. */
  readonly timeoutMs?: number;
}

/** How a process of git ended. */
interface GitEnd {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** Why this process ended it, if it did. */
  readonly ended: Ended | undefined;
  /** The process group that could not be ended. */
  readonly stuck: number | undefined;
}

type Ended = 'timeout' | 'output' | 'cancelled';

/** What a command printed. */
export interface GitAnswer {
  readonly exitCode: number;
  readonly stdout: Buffer;
  /** Stdout without white space at its ends. */
  readonly text: string;
  readonly stderr: string;
}

const isSafeList = (value: unknown): boolean =>
  Array.isArray(value) && value.every(path => typeof path === 'string' && /^(\*|\/\P{C}*)$/u.test(path));

export const GIT = {
  program: text().or('git'),
  timeoutMs: milliseconds({ above: 0, to: MAX_TIMER_MS }).or(300_000),
  killGraceMs: milliseconds({ from: 0, to: MAX_TIMER_MS }).or(2_000),
  attempts: integer({ from: 1 }).or(3),
  retryDelayMs: milliseconds({ from: 0, to: MAX_TIMER_MS }).or(1_000),
  sshCommand: text().or('ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=15'),
  safeDirectories: checked<readonly string[]>('a list of absolute paths without control characters, or *', isSafeList),
  committerName: text().or('drone-task-queue'),
  committerEmail: text().or('drone-task-queue@localhost'),
  env: environment(),
} satisfies Table<GitOptions>;

const KEPT = /^(HOME|PATH|TMPDIR|USER|LOGNAME|SSH_AUTH_SOCK|(https?|all|no)_proxy|SSL_CERT_(FILE|DIR))$/i;
/** Limit for stdout and stderr together. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
/** A git that still exists this long after KILL hangs in the kernel. */
const GIVE_UP_MS = 5000;

/** Overrides the repository's own configuration. */
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
  // A step of its own, so that it fails no update.
  'maintenance.auto': 'false',
  // In the background it would outlive the command and the repository's lock.
  'gc.autoDetach': 'false',
  'maintenance.autoDetach': 'false',
  // A server that is silent for a minute is gone: while it counts objects it reports every five seconds.
  'http.lowSpeedLimit': '1',
  'http.lowSpeedTime': '60',
} as const;

const CONFIG_ARGS = Object.entries(CONFIG).flatMap(([name, value]) => ['-c', `${name}=${value}`]);

export class Git {
  readonly #settings: Settings<typeof GIT>;
  readonly #env: NodeJS.ProcessEnv;
  readonly #ownArgs: readonly string[];
  readonly #log: Log;
  readonly #inherited: () => readonly number[];
  /** Holds what git does not accept on its command line (`safe.directory` of a repository that it fetches from). */
  readonly #configFile: string;
  #version: string | undefined;

  /** Git inherits these open files. Throws a TypeError (`ERR_INVALID_ARG`) that names the option at fault. */
  constructor(
    options: GitOptions = {},
    log: Log = silentLog,
    inherited: () => readonly number[] = () => [],
    configFile = '/dev/null',
  ) {
    this.#log = log;
    this.#configFile = configFile;
    this.#inherited = inherited;
    this.#ownArgs = [...CONFIG_ARGS, ...controllerArgs()];
    this.#settings = readOptions(GIT, options);
    const { committerName: NAME, committerEmail: EMAIL, env, sshCommand } = this.#settings;
    this.#env = {
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => KEPT.test(name))),
      ...env,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: this.#settings.safeDirectories === undefined ? '/dev/null' : configFile,
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

  /** Whether the program is of this version or newer. */
  async isSince(major: number, minor: number, signal?: AbortSignal): Promise<boolean> {
    this.#version ??= (await this.run(['version'], { signal })).text;
    const [, first, second] = /(\d+)\.(\d+)/.exec(this.#version) ?? [];
    return Number(first) > major || (Number(first) === major && Number(second) >= minor);
  }

  /** Rejects with a GitError or the reason of `signal`, once all processes of the command have ended or are stuck. */
  async run(args: readonly string[], run: GitRun = {}): Promise<GitAnswer> {
    const { isRemote = false, signal } = run;
    const { attempts, retryDelayMs } = this.#settings;
    for (let attempt = 1, waitMs = retryDelayMs; ; attempt++, waitMs = Math.min(2 * waitMs, MAX_TIMER_MS)) {
      try {
        return await this.#runOnce(args, run);
      } catch (error) {
        if (!isRemote || attempt >= attempts || !isTransient(error)) throw error;
      }
      const waiting = new Deadline([signal], { limitMs: waitMs });
      await waiting.ended;
      waiting.release();
      signal?.throwIfAborted();
    }
  }

  async #runOnce(args: readonly string[], run: GitRun): Promise<GitAnswer> {
    const { orStatus = 0, signal, place, repository } = run;
    signal?.throwIfAborted();
    const command = commandIn(args);
    if (place !== undefined) refuseStuck(place, command, repository);
    this.#configure();
    const { exitCode, stdout, stderr, ended, stuck } = await this.#process(command, args, run);
    const text = stdout.toString().trim();
    // Git reports conflicts on stdout.
    const words = `${stderr}\n${text}`;
    if (stuck !== undefined) {
      this.#log.error('git could not be killed and was left behind', { pid: stuck, command, place });
      if (place !== undefined) leaveStuck(place, stuck);
    }
    if (ended === 'cancelled') signal?.throwIfAborted();
    if (stuck !== undefined) {
      const what = `could not be killed (process ${String(stuck)})`;
      throw new GitError('ERR_GIT_STUCK', command, what, words, { repository });
    }
    if (ended === 'timeout') {
      const what = `took longer than ${String(run.timeoutMs ?? this.#settings.timeoutMs)} ms`;
      throw new GitError('ERR_GIT_TIMEOUT', command, what, words, { repository });
    }
    if (ended === 'output') throw new GitError('ERR_GIT_OUTPUT', command, 'wrote too much output', '', { repository });
    if (exitCode === 0 || (exitCode !== null && exitCode === orStatus)) return { exitCode, stdout, text, stderr };
    const how = exitCode === null ? 'was killed' : `failed with ${String(exitCode)}`;
    throw new GitError('ERR_GIT_FAILED', command, how, words, { exitCode, repository });
  }

  /** Runs before each command, because the file's directory may have been removed meanwhile. */
  #configure(): void {
    const { safeDirectories } = this.#settings;
    if (safeDirectories === undefined || this.#configFile === '/dev/null') return;
    const lines = safeDirectories.map(path => `\tdirectory = "${path.replaceAll(/["\\]/g, '\\$&')}"\n`);
    const content = `[safe]\n${lines.join('')}`;
    if (existsSync(this.#configFile) && readFileSync(this.#configFile, 'utf8') === content) return;
    mkdirSync(dirname(this.#configFile), { recursive: true });
    const part = `${this.#configFile}.${randomUUID()}`;
    writeFileSync(part, content);
    renameSync(part, this.#configFile);
  }

  /** Runs it to the end of its output, or ends its process group. */
  async #process(command: string, args: readonly string[], run: GitRun): Promise<GitEnd> {
    const { cwd = '/', input: stdin, signal, repository } = run;
    const { program, killGraceMs } = this.#settings;
    const output = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
    let bytes = 0;
    const end = new AbortController();
    const timer = setTimeout(() => {
      end.abort('timeout' satisfies Ended);
    }, run.timeoutMs ?? this.#settings.timeoutMs);
    const stopListening = onAbort(signal, () => end.abort('cancelled' satisfies Ended));
    try {
      const { pid, exitCode, fate } = await runInGroup(program, [...this.#ownArgs, ...args], {
        cwd,
        env: this.#env,
        stdin,
        inherited: this.#inherited(),
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
      throw new GitError('ERR_GIT_NOT_STARTED', command, 'could not be started', message, { cause: error, repository });
    } finally {
      clearTimeout(timer);
      stopListening();
    }
  }
}

/** The first word that is neither an option of git itself nor the value of one. */
function commandIn(args: readonly string[]): string {
  return args.find((arg, at) => !arg.startsWith('-') && !['-C', '-c'].includes(args[at - 1] ?? '')) ?? '';
}
