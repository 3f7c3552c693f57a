/** Servers for tests come as packages of Debian, which are installed where that is allowed. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const isRoot = process.getuid?.() === 0;

interface Installation {
  /** Path of the program that shows that it is installed; `*` in it is the shell's. */
  readonly program: string;
  /** Shell commands to run first when it is not. */
  readonly before?: readonly string[];
  /** Shell commands to run each time; they find done what they do. */
  readonly afterwards?: readonly string[];
}

/**
 * Installs the package unless its program is there: as root on Debian, or where CI is set. Rejects with one line that
 * names the package where it must not, or cannot. No server of the package's own is started by that.
 */
export async function installPackage(name: string, installation: Installation): Promise<void> {
  const { program, before = [], afterwards = [] } = installation;
  const isThereCommand = `ls ${program} >/dev/null 2>&1`;
  const isThere = await succeeds(isThereCommand);
  const mayInstall = process.env['CI'] || (isRoot && existsSync('/etc/debian_version'));
  if (!isThere && !mayInstall) {
    throw new Error(`the tests need the package ${name}, which could not be installed by themselves`);
  }
  const installing = [
    ...before,
    'apt-get -qq update',
    // RUNLEVEL=1: the package must not start a server of its own.
    `RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends ${name}`,
  ].join(' && ');
  const steps = [`{ ${isThereCommand} || { ${installing}; }; }`, ...afterwards].join(' && ');
  // Test files run side by side; one of them installs, and apt does one package at a time.
  const locked = ['flock', join(tmpdir(), 'drone-install.lock'), 'sh', '-c', steps];
  const [command = '', ...args] = isRoot || isThere ? locked : ['sudo', '-n', ...locked];
  try {
    await run(command, args);
  } catch (error) {
    const text = (error as { stderr?: string }).stderr?.trim().split('\n').at(-1) ?? String(error);
    throw new Error(`the tests need the package ${name}, whose installation failed: ${text}`, { cause: error });
  }
}

async function succeeds(command: string): Promise<boolean> {
  try {
    await run('sh', ['-c', command]);
    return true;
  } catch {
    return false;
  }
}
