/** Real servers whose drones differ in what they have: another /bin/sh, login shell, server, fewer tools or sessions. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SshDroneOptions } from 'drone-task-queue';
import { installPackage } from './debian-package.js';
import { type Dropbear, startDropbear } from './dropbear.js';
import { mounted } from './mounted.js';
import { descendantsOf } from './process-tree.js';
import { BUSYBOX, installBusybox } from './shells.js';
import { installSshd, loginUser, pinnedKeys, type Sshd, startSshd } from './sshd.js';

const run = promisify(execFile);

/** The first that has a tool is the one whose tool is found. */
const TOOL_FOLDERS = ['/usr/local/bin', '/usr/bin', '/bin'];

/** By default it is OpenSSH on this system, whose /bin/sh is dash on Debian. */
export interface HostOptions {
  /** What /bin/sh is. */
  readonly shell?: 'bash' | 'busybox';
  /** The login shell of the drone's user. */
  readonly login?: 'fish' | 'tcsh';
  /** A tool that PATH does not find. */
  readonly lacks?: string;
  /** At once, on a connection. */
  readonly sessions?: number;
  /** Users see only processes of their own. */
  readonly hidesProcesses?: boolean;
  /** The drone numbers its processes by itself; see setLastPid. */
  readonly ownPids?: boolean;
  readonly server?: 'dropbear';
  /** Default: none. */
  readonly agent?: 'node';
}

export interface DroneHost extends AsyncDisposable {
  readonly options: HostOptions;
  readonly address: { readonly host: string; readonly port: number };
  readonly droneOptions: SshDroneOptions;
  /** The host, as it is reached at another address. */
  optionsAt(address: { readonly host: string; readonly port: number }): SshDroneOptions;
  /** Of the processes that listen, or of their parents. */
  readonly pids: readonly number[];
}

/** Installs what it needs. */
export async function startHost(options: HostOptions = {}): Promise<DroneHost> {
  await installSshd();
  const folder = await mkdtemp(join(tmpdir(), 'drone-host-'));
  const end = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    await chmod(folder, 0o777);
    const server = await startServer(options, folder);
    const droneOptions: SshDroneOptions = { ...server.droneOptions(), agent: options.agent ?? 'none' };
    const { host = '', port = 0 } = droneOptions;
    return {
      options,
      address: { host, port },
      droneOptions,
      optionsAt: other => ({ ...droneOptions, ...other, hostKeys: pinnedKeys(server) }),
      pids: server.pids,
      [Symbol.asyncDispose]: async () => {
        await server[Symbol.asyncDispose]();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

async function startServer(options: HostOptions, folder: string): Promise<Sshd | Dropbear> {
  const { hidesProcesses = false, ownPids = false, sessions, server } = options;
  const files = await filesFor(options, folder);
  const isChanged = Object.keys(files).length > 0 || hidesProcesses || ownPids;
  const launcher = isChanged ? mounted({ files, hidesProcesses, ownPids }) : [];
  if (server === 'dropbear') return startDropbear(launcher);
  const variables = Object.entries(await variablesFor(options, folder)).map(([name, value]) => `${name}=${value}`);
  const settings = {
    ...(variables.length > 0 ? { SetEnv: variables.join(' ') } : {}),
    ...(sessions === undefined ? {} : { MaxSessions: String(sessions) }),
  };
  return startSshd(settings, 1, launcher);
}

/** Files of the system that are others, by their path. */
async function filesFor({ shell, login }: HostOptions, folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  if (shell !== undefined) files['/bin/sh'] = shell === 'bash' ? '/bin/bash' : BUSYBOX;
  if (shell === 'busybox') await installBusybox(await newFolder(folder, 'busybox'));
  if (login !== undefined) {
    const program = `/usr/bin/${login}`;
    await installPackage(login, { program });
    const passwd = join(folder, 'passwd');
    await writeFile(passwd, await usersWith(program));
    files['/etc/passwd'] = passwd;
  }
  return files;
}

/** What each login finds in its environment. */
async function variablesFor({ shell, login, lacks }: HostOptions, folder: string): Promise<Record<string, string>> {
  return {
    ...(shell === 'busybox' ? { PATH: join(folder, 'busybox') } : {}),
    ...(lacks === undefined ? {} : { PATH: await toolsWithout(lacks, await newFolder(folder, 'tools')) }),
    // Else it would make folders in the user's home.
    ...(login === 'fish' ? { XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder } : {}),
  };
}

async function newFolder(folder: string, name: string): Promise<string> {
  const path = join(folder, name);
  await mkdir(path);
  return path;
}

/** The system's users, of whom the one who logs in has this shell. */
async function usersWith(shell: string): Promise<string> {
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n');
  const own = `${loginUser()}:`;
  return lines.map(line => (line.startsWith(own) ? line.replace(/[^:]*$/, shell) : line)).join('\n');
}

/** Fills the folder with links to all tools of this system but one. */
async function toolsWithout(lacking: string, folder: string): Promise<string> {
  const seen = new Set([lacking]);
  for (const from of TOOL_FOLDERS) {
    for (const name of await readdir(from)) {
      if (!seen.has(name)) await symlink(join(from, name), join(folder, name));
      seen.add(name);
    }
  }
  return folder;
}

/** The next process of a host with numbers of its own gets the next number behind this one that is free. */
export async function setLastPid({ pids }: DroneHost, pid: number): Promise<void> {
  const [inside] = descendantsOf(pids);
  if (inside === undefined) throw new Error('the host numbers no processes');
  const script = 'echo "$1" >/proc/sys/kernel/ns_last_pid';
  const enter = ['--target', String(inside.pid), '--mount', '--pid'];
  await run('nsenter', [...enter, 'sh', '-c', script, 'sh', String(pid)]);
}
