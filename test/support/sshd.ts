/** A real OpenSSH server for tests: on loopback addresses only, with keys and a configuration of its own. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { SshOptions } from '../../src/queue/transport/ssh/ssh-endpoint.js';
import { installPackage } from './debian-package.js';

const run = promisify(execFile);

const SSHD = '/usr/sbin/sshd';
const PACKAGE = 'openssh-server';
/** One sshd listens on 16 sockets at most. */
const ADDRESSES_PER_SSHD = 10;
const ADDRESSES = 20;
const HOST_KEY_TYPES = ['ed25519', 'ecdsa'];
const OLDEST_NODE = 18;
/** What sshd of Debian and Ubuntu gives a login. */
const SSHD_PATH = '/usr/local/bin:/usr/bin:/bin:/usr/games';
/** Root has slow rc files on some machines, and settings of its own in sshd. */
const TEST_USER = 'drone';

const isRoot = process.getuid?.() === 0;

export interface Sshd extends AsyncDisposable {
  /** The same host under so many names. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly user: string;
  /** Path of a private key that is let in. */
  readonly identity: string;
  /** Path of a file that holds the host keys of all addresses. */
  readonly knownHosts: string;
  /** Of the listening processes. */
  readonly pids: readonly number[];
  /** Path of the file that says which keys are let in. */
  readonly authorizedKeys: string;
  /** Lines of its log since it has listened. */
  readonly log: readonly string[];
  /** Without hops, so that drones of the source and of the built package take them. */
  droneOptions(address?: string): SshOptions<never>;
  /** Ends the listening processes and every session of theirs, as when the host goes down; then it listens anew. */
  reboot(): Promise<void>;
  /** Ends the listening processes and every session of theirs. */
  stop(): Promise<void>;
}

/**
 * Starts sshd, which it installs where it may; `overrides` replace lines of the configuration. `count` addresses, 250 at
 * most, stand for as many hosts. `launcher` is a program with arguments that becomes the one named by its last arguments.
 */
export async function startSshd(
  overrides: Readonly<Record<string, string>> = {},
  count = ADDRESSES,
  launcher: readonly string[] = [],
): Promise<Sshd> {
  const allAddresses = Array.from({ length: count }, (_, at) => `127.0.1.${String(at + 1)}`);
  await installSshd();
  const folder = await mkdtemp(join(tmpdir(), 'drone-sshd-'));
  // sshd reads the authorized keys as the user who logs in.
  await chmod(folder, 0o755);
  const identity = join(folder, 'id_ed25519');
  const hostKeys = HOST_KEY_TYPES.map(type => join(folder, `host_${type}`));
  await Promise.all([
    generateKey('ed25519', identity),
    ...HOST_KEY_TYPES.map((type, at) => generateKey(type, hostKeys[at] ?? '')),
  ]);
  const authorizedKeys = join(folder, 'authorized_keys');
  await copyFile(`${identity}.pub`, authorizedKeys);
  const listeners: ChildProcess[] = [];
  const log: string[] = [];
  const startAll = async (port: number): Promise<void> => {
    for (let at = 0; at < count; at += ADDRESSES_PER_SSHD) {
      const addresses = allAddresses.slice(at, at + ADDRESSES_PER_SSHD);
      const config = join(folder, `sshd_config_${String(at)}`);
      await writeFile(config, configText(port, addresses, hostKeys, authorizedKeys, overrides));
      listeners.push(await listen([...launcher, SSHD, '-D', '-e', '-f', config], addresses.length, log));
    }
  };
  const endAll = async (): Promise<void> => {
    await Promise.all(listeners.splice(0).map(endTree));
  };
  const stop = async (): Promise<void> => {
    await endAll();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const port = await freePort(allAddresses[0] ?? '');
    await startAll(port);
    const knownHosts = join(folder, 'known_hosts');
    const names = allAddresses.map(address => `[${address}]:${String(port)}`).join(',');
    const publicKeys = await Promise.all(hostKeys.map(path => readFile(`${path}.pub`, 'utf8')));
    await writeFile(knownHosts, publicKeys.map(line => `${names} ${line}`).join(''));
    const user = loginUser();
    const own = { port, user, identity, agentSocket: false, knownHosts } as const;
    const agentCommand = await findNode(user);
    return {
      addresses: allAddresses,
      port,
      user,
      identity,
      knownHosts,
      get pids() {
        return listeners.map(({ pid }) => pid ?? 0);
      },
      authorizedKeys,
      log,
      droneOptions: (address = allAddresses[0] ?? '') => ({ ...own, host: address, agentCommand }),
      reboot: async () => {
        await endAll();
        await startAll(port);
      },
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Installs sshd, and adds the user who logs in where the tests are run by root. */
export async function installSshd(): Promise<void> {
  await installPackage(PACKAGE, {
    program: SSHD,
    afterwards: isRoot
      ? [
          'mkdir -p /run/sshd',
          // A locked password ('!') would lock the key out, too; '*' only means that no password fits.
          `id ${TEST_USER} >/dev/null 2>&1 || useradd --create-home --shell /bin/sh --password '*' ${TEST_USER}`,
        ]
      : [],
  });
}

/** Who logs in. */
export function loginUser(): string {
  return isRoot ? TEST_USER : userInfo().username;
}

export async function generateKey(type: string, path: string): Promise<void> {
  await run('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', '', '-f', path]);
}

/** Free on the first address, and so most likely on the others. */
export async function freePort(address: string): Promise<number> {
  const probe = createServer().listen(0, address);
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

function configText(
  port: number,
  addresses: readonly string[],
  hostKeys: readonly string[],
  authorizedKeys: string,
  overrides: Readonly<Record<string, string>>,
): string {
  const settings: Record<string, string> = {
    Port: String(port),
    AuthorizedKeysFile: authorizedKeys,
    PidFile: 'none',
    UsePAM: 'no',
    StrictModes: 'no',
    PasswordAuthentication: 'no',
    KbdInteractiveAuthentication: 'no',
    PermitRootLogin: 'prohibit-password',
    AllowTcpForwarding: 'yes',
    MaxStartups: '1000:30:2000',
    UseDNS: 'no',
    PrintMotd: 'no',
    LogLevel: 'INFO',
    ...overrides,
  };
  return [
    ...addresses.map(address => `ListenAddress ${address}`),
    ...hostKeys.map(path => `HostKey ${path}`),
    ...Object.entries(settings).map(([name, value]) => `${name} ${value}`),
    '',
  ].join('\n');
}

/** Resolves when all addresses are listened on. What it then says goes to `log`. */
async function listen(command: readonly string[], addresses: number, log: string[]): Promise<ChildProcess> {
  const [program = '', ...args] = command;
  const sshd = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const lines = createInterface({ input: sshd.stderr });
  const said: string[] = [];
  let waiting = addresses;
  await new Promise<void>((resolve, reject) => {
    lines.on('line', line => {
      if (waiting === 0) {
        log.push(line);
        return;
      }
      said.push(line);
      if (line.startsWith('Server listening on') && --waiting === 0) resolve();
    });
    lines.once('close', () => {
      reject(new Error(`sshd did not start: ${said.join('; ')}`));
    });
    sshd.once('error', reject);
  });
  return sshd;
}

/** Sessions outlive the process that listens: they are ended first, by descent. Agents end by themselves with them. */
async function endTree(listener: ChildProcess): Promise<void> {
  if (listener.exitCode !== null || listener.signalCode !== null) return;
  const { stdout } = await run('ps', ['-e', '-o', 'pid=,ppid=,comm=']);
  const sessions: number[] = [listener.pid ?? 0];
  const rows = stdout.split('\n').map(line => line.trim().split(/\s+/));
  for (const parent of sessions) {
    for (const [pid, ppid, comm] of rows) {
      if (Number(ppid) === parent && comm?.startsWith('sshd') === true) sessions.push(Number(pid));
    }
  }
  const exited = once(listener, 'exit');
  for (const pid of sessions.reverse()) {
    try {
      process.kill(pid, 'SIGTERM');
    } catch (error) {
      // Its session has just ended by itself.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
  await exited;
  listener.stderr?.destroy();
}

/** The command for a Node on the far side: `node`, when the user's shell finds one that will do there, else ours. */
export async function findNode(user: string): Promise<string> {
  const { stdout: entry } = await run('getent', ['passwd', user]);
  const [, , uid, gid, , home = '/', shell = '/bin/sh'] = entry.trim().split(':');
  const env = { HOME: home, PATH: SSHD_PATH };
  const identity = isRoot ? { uid: Number(uid), gid: Number(gid) } : {};
  const { stdout } = await run(shell, ['-c', 'node --version || true'], { cwd: '/', env, ...identity });
  return Number(/^v(\d+)/m.exec(stdout)?.[1]) >= OLDEST_NODE ? 'node' : process.execPath;
}

/** The keys of a server, under whatever name it is reached. */
export function pinnedKeys(server: Sshd): { fingerprints: string[] } {
  const lines = readFileSync(server.knownHosts, 'utf8').trim().split('\n');
  const keys = lines.map(line => Buffer.from(line.split(' ')[2] ?? '', 'base64'));
  return { fingerprints: keys.map(key => `SHA256:${createHash('sha256').update(key).digest('base64')}`) };
}
