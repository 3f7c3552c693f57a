/**
 * Puts a command to any login shell: sh, csh, fish. The login shell sees only `exec /bin/sh -c '…'`, without single quote,
 * exclamation mark or newline inside, and without a backslash in front of a backslash or quote: text that all shells take
 * literally. Other characters of the command are spelt in octal for printf.
 *
 * That sh enters the working directory, sets the variables, announces on both streams that the command's output begins
 * (with its process id, which the next sh keeps), and becomes `/bin/sh -c <command>`. Where the server gives the command
 * no process group of its own, as dropbear does, `setsid` does so on the way: else its end would miss its children.
 */
import { randomBytes } from 'node:crypto';

/** No field may hold a zero byte. */
export interface ShellCommand {
  readonly script: string;
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Otherwise stdin is /dev/null. */
  readonly hasStdin?: boolean | undefined;
  /** It runs even if its channel was closed before a slow login came to it; another command does not start then. */
  readonly isUnheard?: boolean | undefined;
}

export interface ExecText {
  /** For the exec request. */
  readonly command: string;
  /** First bytes for its stdin. Variables travel so, as `ps` would show them in the command. */
  readonly input: Uint8Array | undefined;
  /**
   * On stdout, a space follows it, then the process id and what is known of the inodes of the output's pipes, or a system
   * error's name, then a newline; on stderr, only the newline. See `startOf`.
   */
  readonly marker: string;
}

/** Longer texts go through stdin, because some login shells accept no long words. */
const LONGEST_IN_COMMAND = 4000;
/** Linux's limit for an argument or variable. */
const LONGEST_ARGUMENT_BYTES = 131_071;
/** Variables that some shell reserves; it would exit at an attempt to set them. */
const READ_ONLY = ['UID', 'EUID', 'PPID', 'BASHOPTS', 'SHELLOPTS', 'BASH_VERSINFO'];

/**
 * Sets drone_text_own to the path of setsid where this shell, of process id `$$`, does not lead its group: that is the
 * fifth field of its state. A process that leads none keeps its id. Runs before any variable of the caller, such as PATH,
 * is set.
 */
const FIND_SETSID = [
  'drone_text_own=; { read -r drone_1 drone_2 drone_3 drone_4 drone_text drone_6 </proc/$$/stat || drone_text=$$; } 2>/dev/null; ',
  'if [ "$drone_text" -ne $$ ]; then drone_text_own=$(command -v setsid); fi; ',
].join('');

/**
 * Sets drone_text_pipes to a space and the inode of each of stdout and stderr, where Linux shows them (since 5.14). Stderr
 * is at 3 meanwhile, as errors of this are discarded.
 */
const FIND_PIPES = `drone_text_pipes=; { ${[1, 3].map(inodeOf).join('')}} 3>&2 2>/dev/null; `;

function inodeOf(fd: number): string {
  const add = 'ino:) drone_text_pipes="$drone_text_pipes $drone_2";;';
  return `while read -r drone_1 drone_2; do case $drone_1 in ${add} esac; done </proc/$$/fdinfo/${String(fd)}; `;
}

/** What the word behind the marker says of a command that has started; undefined for the name of an error. */
export function startOf(word: string): { readonly pid: number; readonly pipes: readonly string[] } | undefined {
  const [pid = '', ...pipes] = word.split(' ');
  return /^\d+$/.test(pid) ? { pid: Number(pid), pipes: pipes.filter(inode => /^\d+$/.test(inode)) } : undefined;
}

/** Throws an Error (`E2BIG`) for what exceeds the drone's limits. */
export function execText({ script, cwd, env = {}, hasStdin = false, isUnheard = false }: ShellCommand): ExecText {
  checkLength('the command', script);
  const id = randomBytes(12).toString('hex');
  // A login shell that traces its commands must not print the marker itself.
  const unheard = isUnheard ? '' : ' || exit 1';
  const announce = `drone_text=drone; echo "$drone_text-${id} $$$drone_text_pipes"${unheard}; echo "$drone_text-${id}" >&2; `;
  const names = Object.keys(env);
  const steps = [
    isUnheard ? 'trap "" PIPE; ' : '',
    FIND_SETSID,
    FIND_PIPES,
    cwd === undefined ? '' : enter(cwd, id),
    quoted(script, word => `set -- /bin/sh -c ${word}; `),
    ...names.map(name => variable(name, env[name] ?? '')),
    announce,
    // eslint-disable-next-line no-template-curly-in-string -- in sh ${…} is not a template
    'exec ${drone_text_own:+"$drone_text_own"} "$@"',
    hasStdin ? '' : ' </dev/null',
  ];
  const text = steps.join('');
  const marker = `drone-${id}`;
  if (names.length === 0 && text.length <= LONGEST_IN_COMMAND) {
    return { command: `exec /bin/sh -c '${text}'`, input: undefined, marker };
  }
  // `read` takes byte by byte and leaves what follows the line to the command.
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

/** Whether a shell can set it. */
export function isSettable(name: string): boolean {
  return /^[A-Za-z_]\w*$/.test(name) && !READ_ONLY.includes(name);
}

function variable(name: string, value: string): string {
  checkLength(`the variable ${name}`, `${name}=${value}`);
  if (isSettable(name)) {
    return quoted(value, word => `export ${name}=${word}; `);
  }
  // No shell can set it, but any program can; `ps` shows it for the moment of the start.
  return quoted(`${name}=${value}`, word => `set -- env ${word} "$@"; `);
}

/** `use` gets the text as a word of sh. */
function quoted(text: string, use: (word: string) => string): string {
  if (/^[\x20-\x7e]*$/.test(text) && !/['!\\]/.test(text)) return use(`"${text.replaceAll(/["$`]/g, '\\$&')}"`);
  // The x keeps newlines at the end, which $(…) would strip.
  // eslint-disable-next-line no-template-curly-in-string -- in sh ${…} is not a template
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
