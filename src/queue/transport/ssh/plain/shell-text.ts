/**
 * How a command is put to a login shell that may be any: sh, csh, fish. The login shell only ever sees
 * `exec /bin/sh -c '…'`, where between the quotes stands no single quote, exclamation mark or newline, and a backslash
 * only in front of what is no backslash and no quote: the one text that all of them take as it is. What the command
 * itself holds of these is spelt in octal for printf.
 *
 * That sh goes to the working directory, takes the variables, says on both streams that from here on all output is the
 * command's (with its process id, which the next sh keeps), and becomes `/bin/sh -c <command>`.
 */
import { randomBytes } from 'node:crypto';

/** A command and its surroundings. Nothing in it holds a zero byte. */
export interface ShellCommand {
  readonly script: string;
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Else its stdin is /dev/null. */
  readonly hasStdin?: boolean | undefined;
}

/** A command as it travels. */
export interface ExecText {
  /** For the exec request. */
  readonly command: string;
  /** First bytes for its stdin. Variables travel so, as `ps` shows the other way to everybody on the drone. */
  readonly input: Uint8Array | undefined;
  /** Followed on stdout by a space, the process id or the name of a system error, and a newline; on stderr by the newline. */
  readonly marker: string;
}

/** Longer texts go by stdin: some login shells take no long words. */
const LONGEST_IN_COMMAND = 4000;
/** Linux takes no longer argument, nor variable. */
const LONGEST_ARGUMENT_BYTES = 131_071;
/** Variables that some shell keeps to itself, and would end at the attempt to set them. */
const READ_ONLY = ['UID', 'EUID', 'PPID', 'BASHOPTS', 'SHELLOPTS', 'BASH_VERSINFO'];

/** Throws Error (`E2BIG`) for what the drone's system would not take. */
export function execText({ script, cwd, env = {}, hasStdin = false }: ShellCommand): ExecText {
  checkLength('the command', script);
  const id = randomBytes(12).toString('hex');
  // A login shell that traces what it runs must not say the marker itself.
  const announce = `drone_text=drone; echo "$drone_text-${id} $$"; echo "$drone_text-${id}" >&2; `;
  const names = Object.keys(env);
  const steps = [
    cwd === undefined ? '' : enter(cwd, id),
    quoted(script, word => `set -- /bin/sh -c ${word}; `),
    ...names.map(name => variable(name, env[name] ?? '')),
    announce,
    hasStdin ? 'exec "$@"' : 'exec "$@" </dev/null',
  ];
  const text = steps.join('');
  const marker = `drone-${id}`;
  if (names.length === 0 && text.length <= LONGEST_IN_COMMAND) {
    return { command: `exec /bin/sh -c '${text}'`, input: undefined, marker };
  }
  // `read` takes byte by byte, so that what follows the line is left to the command.
  const command = `exec /bin/sh -c 'IFS= read -r drone_text; eval "$drone_text"'`;
  return { command, input: Buffer.from(`${text}\n`, 'latin1'), marker };
}

function enter(cwd: string, id: string): string {
  return quoted(cwd.startsWith('/') ? cwd : `./${cwd}`, word =>
    [
      `cd -P -- ${word} 2>/dev/null || { drone_why=ENOENT; if [ -d ${word} ]; then drone_why=EACCES; `,
      `elif [ -e ${word} ]; then drone_why=ENOTDIR; fi; echo "drone-${id} $drone_why"; exit 1; }; unset OLDPWD; `,
    ].join(''),
  );
}

function variable(name: string, value: string): string {
  checkLength(`the variable ${name}`, `${name}=${value}`);
  if (/^[A-Za-z_]\w*$/.test(name) && !READ_ONLY.includes(name)) {
    return quoted(value, word => `export ${name}=${word}; `);
  }
  // No shell can set it, but any program can: for the moment of its start, `ps` shows this one.
  return quoted(`${name}=${value}`, word => `set -- env ${word} "$@"; `);
}

/** `use` gets the text as a word of sh, which it may put where it likes. */
function quoted(text: string, use: (word: string) => string): string {
  if (/^[\x20-\x7e]*$/.test(text) && !/['!\\]/.test(text)) return use(`"${text.replaceAll(/["$`]/g, '\\$&')}"`);
  // The x keeps newlines at the end, which $(…) would strip.
  // eslint-disable-next-line no-template-curly-in-string -- in sh ${…} is no template
  return `drone_text="$(printf "${octal(text)}x")"; ${use('"${drone_text%x}"')}`;
}

function octal(text: string): string {
  return Buffer.from(text)
    .toString('latin1')
    .replaceAll(/[^\x20-\x7e]|["$`'!\\]|^-/g, char => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`)
    .replaceAll('%', '%%');
}

function checkLength(what: string, text: string): void {
  const bytes = Buffer.byteLength(text);
  if (bytes <= LONGEST_ARGUMENT_BYTES) return;
  const size = `${String(bytes)} bytes, more than the ${String(LONGEST_ARGUMENT_BYTES)} that an argument can hold`;
  throw Object.assign(new Error(`cannot start /bin/sh: ${what} takes ${size}`), { code: 'E2BIG' });
}
