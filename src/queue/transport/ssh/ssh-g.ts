/** Runs `ssh -G`, which prints a host's resolved ssh_config. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { invalidHost, isHost } from './host-name.js';
import { Semaphore } from '../../../wait/semaphore.js';

/** ssh may look names up and run commands of `Match exec`, so few run at once. */
const MAX_RUNNING = 8;
const MAX_OUTPUT_BYTES = 1024 * 1024;

/**
 * Why ssh_config cannot be used. Nothing was contacted.
 *
 * - `ERR_SSH_NOT_FOUND`: this machine has no program `ssh`. Install the OpenSSH client, or use `new SshDrone(…)`.
 * - `ERR_SSH_CONFIG`: `ssh -G` failed or took longer than 30 s. The message contains its last line; correct the
 *   configuration.
 * - `ERR_SSH_CONFIG_UNSUPPORTED`: a setting cannot be obeyed. The message names it; pass the option that replaces it in
 *   code.
 */
type SshConfigCode = 'ERR_SSH_NOT_FOUND' | 'ERR_SSH_CONFIG' | 'ERR_SSH_CONFIG_UNSUPPORTED';

export function sshConfigError(code: SshConfigCode, message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, cause === undefined ? undefined : { cause }), { code });
}

/** The output of `ssh -G`: a lower-case option and its value on each line. */
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

  /** All that is printed, by option. */
  get all(): ReadonlyMap<string, readonly string[]> {
    return this.#values;
  }

  raw(option: string): string | undefined {
    return this.#values.get(option)?.[0];
  }

  /** Undefined for `none`, too. */
  value(option: string): string | undefined {
    return this.values(option)[0];
  }

  values(option: string): string[] {
    return (this.#values.get(option) ?? []).filter(value => value !== 'none');
  }

  /** A list on one line. ssh prints it unquoted, so a path with a space cannot be recognised. */
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

/** A `Match exec` may hang, and would block the others. */
const TIMEOUT_MS = 30_000;

const line = new Semaphore(MAX_RUNNING);

/**
 * Rejects with an Error (`ERR_SSH_NOT_FOUND`, `ERR_SSH_CONFIG`), or a TypeError (`ERR_INVALID_ARG`) for an invalid name.
 */
export async function sshG(name: string, { file, user, port }: SshGOptions): Promise<SshConfigText> {
  // A leading dash would make it an option of ssh.
  if (!isHost(name) || name.startsWith('-')) throw invalidHost('name', name, 'the name of a host in ssh_config');
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
    throw sshConfigError('ERR_SSH_CONFIG', `ssh -G does not accept ${name}: ${said || String(error)}`, error);
  }
}

function option(name: string, value: string | undefined): string[] {
  return value === undefined ? [] : [name, value];
}
