/** A wall clock that jumps, for processes started with it: Debian's libfaketime. The monotonic clock is left alone. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const PACKAGE = 'libfaketime';
const LIBRARIES = '/usr/lib';

export interface WallClock {
  /** For the processes with this clock. */
  readonly env: Readonly<Record<string, string>>;
  /** From now on it is so many seconds ahead. */
  jump(aheadS: number): Promise<void>;
}

/** Installs the library where it may. `folder` is readable for all who are to have the clock. */
export async function makeWallClock(folder: string): Promise<WallClock> {
  const library = (await findLibrary()) ?? (await install());
  const path = join(folder, 'clock');
  const jump = async (aheadS: number): Promise<void> => {
    // Read anew at each look at the clock: it must be whole.
    await writeFile(`${path}.new`, `${aheadS < 0 ? '' : '+'}${String(aheadS)}`, { mode: 0o644 });
    await rename(`${path}.new`, path);
  };
  await jump(0);
  const env = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: path,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    // What processes that are killed would leave in /dev/shm.
    FAKETIME_DISABLE_SHM: '1',
  };
  return { env, jump };
}

/** In the directory of this machine's architecture. */
async function findLibrary(): Promise<string | undefined> {
  const folders = await readdir(LIBRARIES);
  return folders.map(name => join(LIBRARIES, name, 'faketime/libfaketimeMT.so.1')).find(path => existsSync(path));
}

/** By the rules of the sshd tests. */
async function install(): Promise<string> {
  const isRoot = process.getuid?.() === 0;
  if (!process.env['CI'] && !(isRoot && existsSync('/etc/debian_version'))) {
    throw new Error(`the test needs the package ${PACKAGE}, which could not be installed by itself`);
  }
  const steps = [
    'apt-get -qq update',
    `DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends ${PACKAGE}`,
  ].join(' && ');
  // The same lock, since there is one apt.
  const locked = [join(tmpdir(), 'drone-sshd-install.lock'), 'sh', '-c', steps];
  try {
    await (isRoot ? run('flock', locked) : run('sudo', ['-n', 'flock', ...locked]));
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim().split('\n').at(-1) ?? String(error);
    throw new Error(`the test needs the package ${PACKAGE}, whose installation failed: ${said}`, { cause: error });
  }
  const library = await findLibrary();
  if (library === undefined) throw new Error(`the package ${PACKAGE} has no library below ${LIBRARIES}`);
  return library;
}
