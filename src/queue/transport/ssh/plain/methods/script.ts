/**
 * A method's work as a script for the drone's /bin/sh.
 *
 * The script is the same text for every call; `ps` shows no more than that. Its arguments follow on stdin as one line of
 * printf escapes; after that line comes whatever the script reads. A step that fails prints its name in the last line of
 * stdout, and the system's message on stderr.
 */
/* eslint-disable no-template-curly-in-string -- sh expands ${…}, not JavaScript */
import { Cancelled, type CallContext } from '../../../../agent/call-context.js';
import { type PlainDrone, runOnChannel } from '../channel-run.js';
import type { Command, Exit } from '../command.js';
import { execText } from '../shell-text.js';
import { codeIn, systemError, type Syscall } from './system-error.js';

/** What a method is given besides its arguments. */
export interface MethodCall {
  readonly method: string;
  readonly drone: PlainDrone;
  readonly context: CallContext;
  /** Whether what a cancelled script ran is known to be gone. */
  onCancelled?(isGone: boolean): void;
}

export interface Script {
  readonly text: string;
  readonly args?: readonly (string | Uint8Array)[];
  /** What the script reads after its arguments. Default: nothing. */
  readonly contents?: string | Uint8Array | undefined;
  /** Instead of `contents`: may write more later, and ends stdin. */
  feed?(command: Command): void;
  /** Sees stdout as it comes. */
  onOutput?(chunk: Uint8Array): void;
  /** Gets stdout as it comes, instead of at the end. If it returns a promise, the script has to wait for that. */
  stream?(chunk: Uint8Array): Promise<void> | undefined;
}

/** What a script printed; `failed` is the step that failed. */
export interface ScriptEnd {
  readonly stdout: Buffer;
  readonly stderr: string;
  readonly exit: Exit;
  readonly failed: string | undefined;
}

/** The largest reply, which holds less than a script prints for it. */
const MOST_BYTES = 64 * 1024 * 1024;
const KEPT_STDERR_BYTES = 64 * 1024;
const SHOWN_CHARS = 1000;
const LONGEST_READ_CHARS = 16 * 1024;
/** Longest line that names a step. */
export const LONGEST_FAILURE_CHARS = 64;
/** Precedes the name of the step that failed. */
export const FAILED = 'failed: ';

/**
 * The head of each script; it keeps the login's own PATH and locale in variables. Where PATH lacks a tool, it is looked
 * for where systems have it. Messages must be in the C locale to be understood.
 */
const HEAD = [
  'eval "set -- $(printf "$drone_args")"; drone_args=',
  'drone_path=$PATH; drone_locale=${LC_ALL+x$LC_ALL}; LC_ALL=C; export LC_ALL',
  'PATH=${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin; export PATH',
  `fail() { printf '${FAILED}%s\\n' "$1"; exit 1; }`,
];

/** Rejects with a Cancelled, or when the script could not be started. */
export async function runScript(call: MethodCall, script: Script): Promise<ScriptEnd> {
  const { method, drone, context } = call;
  const stdout: Uint8Array[] = [];
  let size = 0;
  let stderr = '';
  let last = '';
  const { PATH } = drone.env;
  const line = argumentLine(script.args ?? []);
  const exit = await runOnChannel(drone, context, {
    name: method,
    text: execText({
      script: [readLine(line), ...HEAD, script.text].join('\n'),
      env: PATH === undefined ? {} : { PATH },
      hasStdin: true,
    }),
    output: (stream, chunk) => {
      if (stream === 'stderr') {
        stderr = (stderr + Buffer.from(chunk).toString()).slice(-KEPT_STDERR_BYTES);
        return undefined;
      }
      last = (last + Buffer.from(chunk.subarray(-LONGEST_FAILURE_CHARS)).toString('latin1')).slice(
        -LONGEST_FAILURE_CHARS,
      );
      if (script.stream !== undefined) return script.stream(chunk);
      size += chunk.byteLength;
      if (size <= MOST_BYTES) stdout.push(chunk);
      script.onOutput?.(chunk);
      return undefined;
    },
    feed: command => {
      void command.write(`${line}\n`);
      if (script.feed !== undefined) script.feed(command);
      else command.endInput(script.contents);
    },
  }).catch((error: unknown) => {
    if (error instanceof Cancelled) call.onCancelled?.(error.killed);
    throw error;
  });
  if (size > MOST_BYTES) throw tooLarge(method, size);
  return { stdout: Buffer.concat(stdout), stderr, exit, failed: failedStep(last, exit) };
}

/** The error of a step that failed, by the system's code and what was printed; none when the step cannot fail so. */
export type StepError = (code: string | undefined, stderr: string) => Error | undefined;

/** The same context with another signal. */
export function withSignal(context: CallContext, signal: AbortSignal): CallContext {
  return {
    signal,
    killGraceMs: context.killGraceMs,
    output: undefined,
    prints: read => context.prints(read),
    warn: message => context.warn(message),
    openTransfer: (request, files) => context.openTransfer(request, files),
  };
}

/** As `runScript`, for a script that fails only in the steps of `errors`. Returns what it printed. */
export async function runSteps(
  call: MethodCall,
  script: Script,
  errors: Readonly<Record<string, StepError>>,
): Promise<Buffer> {
  const end = await runScript(call, script);
  if (end.exit.exitCode === 0) return end.stdout;
  throw errors[end.failed ?? '']?.(codeIn(end.stderr), end.stderr) ?? unexplained(call, end);
}

/** For a step that is this system call. */
export function systemStep(
  syscall: Syscall,
  wrap: (error: NodeJS.ErrnoException) => Error = error => error,
): (code: string | undefined) => Error | undefined {
  return code => (code === undefined ? undefined : wrap(systemError(code, syscall)));
}

/** The error for a script that failed unexpectedly. */
export function unexplained({ method }: MethodCall, { failed, stderr, exit }: ScriptEnd): Error {
  const how = exit.signal === null ? `status ${String(exit.exitCode)}` : `signal ${exit.signal}`;
  const where = failed === undefined ? '' : `, in step ${failed}`;
  const said = JSON.stringify(stderr.trim().slice(-SHOWN_CHARS));
  const error = new Error(`${method}: the drone's shell ended with ${how}${where}: ${said}`);
  return Object.assign(error, { code: codeIn(stderr) ?? 'ERR_FILE' });
}

function tooLarge(method: string, bytes: number): Error {
  const size = `${String(bytes)} bytes, more than the ${String(MOST_BYTES)} that a reply can hold`;
  return Object.assign(new RangeError(`${method}: the drone sent ${size}`), { code: 'ERR_TOO_LARGE' });
}

/** Words of sh, in quotes, spelt so that they take one line of plain characters. */
export function argumentLine(args: readonly (string | Uint8Array)[]): string {
  return args
    .map(word => quoted(Buffer.from(word).toString('latin1')))
    .join(' ')
    .replaceAll(/[^\x20-\x7e]|\\/g, char => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`)
    .replaceAll('%', '%%');
}

/** A word of sh. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * The shell reads a line byte by byte, so head reads a long one. Head may read too much, but scripts with contents have
 * short lines.
 */
function readLine(line: string): string {
  if (line.length <= LONGEST_READ_CHARS) return 'IFS= read -r drone_args || exit 99';
  const length = String(line.length);
  return `drone_args=$(head -c ${length}); [ \${#drone_args} -eq ${length} ] || exit 99`;
}

function failedStep(printed: string, { exitCode }: Exit): string | undefined {
  if (exitCode === 0) return undefined;
  const line = printed.trimEnd().split('\n').at(-1) ?? '';
  const at = line.lastIndexOf(FAILED);
  return at < 0 ? undefined : line.slice(at + FAILED.length);
}
