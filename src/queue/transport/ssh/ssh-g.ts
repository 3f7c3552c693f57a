/** Runs `ssh -G`, which prints what ssh_config comes to for a host. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { invalidArgument } from '../../../option/invalid-argument.js';
import { Line } from '../../../wait/line.js';

/** ssh may look names up and run the commands of `Match exec`; a thousand of them at once would be no help. */
const MAX_RUNNING = 8;
const MAX_OUTPUT_BYTES = 1024 * 1024;

type SshConfigCode = 'ERR_SSH_NOT_FOUND' | 'ERR_SSH_CONFIG' | 'ERR_SSH_CONFIG_UNSUPPORTED';

export function sshConfigError(code: SshConfigCode, message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, cause === undefined ? undefined : { cause }), { code });
}

/** What `ssh -G` printed: a lower-case option and its value on each line. */
export class SshConfigText {
  readonly name: string;
  readonly #values = new Map<string, string[]>();

  constructor(name: string, text: string) {
    this.name = name;
    for (const line of text.split('\n')) {
      const [, option, value] = /^(\S+) (.+?)\r?$/.exec(line) ?? [];
      if (option === undefined || value === undefined) continue;
      const values = this.#values.get(option);
      if (values) values.push(value);
      else this.#values.set(option, [value]);
    }
  }

  /** As printed; undefined where it is not. */
  raw(option: string): string | undefined {
    return this.#values.get(option)?.[0];
  }

  /** Undefined for `none`, too. */
  value(option: string): string | undefined {
    return this.values(option)[0];
  }

  /** Of an option that may stand several times. */
  values(option: string): string[] {
    return (this.#values.get(option) ?? []).filter(value => value !== 'none');
  }

  /** A list on one line. ssh prints it without quotes, so that a path with a space in it cannot be told. */
  words(option: string): string[] {
    return this.value(option)?.split(/\s+/) ?? [];
  }
}

export interface SshGOptions {
  /** In place of the user's and the system's files. */
  readonly file?: string | undefined;
  readonly user?: string | undefined;
  readonly port?: string | undefined;
}

/** A `Match exec` may hang, and would keep the others from their turn. */
const TIMEOUT_MS = 30_000;

const line = new Line(MAX_RUNNING);

/** Rejects with an Error (`ERR_SSH_NOT_FOUND`, `ERR_SSH_CONFIG`), or TypeError (`ERR_INVALID_ARG`) for a name that is none. */
export async function sshG(name: string, { file, user, port }: SshGOptions): Promise<SshConfigText> {
  if (typeof name !== 'string' || !/^[^\s\0-\x1f\x7f@/[\]-][^\s\0-\x1f\x7f@/[\]]*$/.test(name)) {
    throw invalidArgument('name', name, 'the name of a host in ssh_config');
  }
  const args = ['-G', '-T', ...option('-F', file), ...option('-l', user), ...option('-p', port), '--', name];
  try {
    const options = { maxBuffer: MAX_OUTPUT_BYTES, timeout: TIMEOUT_MS };
    const { stdout } = await line.run(() => promisify(execFile)('ssh', args, options));
    return new SshConfigText(name, stdout);
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    if (code === 'ENOENT') {
      const message = `the ssh_config of ${name} cannot be read: there is no program 'ssh' on this machine`;
      throw sshConfigError('ERR_SSH_NOT_FOUND', message, error);
    }
    const said = stderr?.trim().split('\n').at(-1) ?? '';
    throw sshConfigError('ERR_SSH_CONFIG', `ssh -G does not take ${name}: ${said || String(error)}`, error);
  }
}

function option(name: string, value: string | undefined): string[] {
  return value === undefined ? [] : [name, value];
}
