/** A real dropbear for tests: on a loopback address, with a host key of its own. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { SshOptions } from '../../src/queue/transport/ssh/ssh-endpoint.js';
import { installPackage } from './debian-package.js';
import { findNode, freePort, generateKey, installSshd, loginUser } from './sshd.js';

const run = promisify(execFile);

const DROPBEAR = '/usr/sbin/dropbear';
const PACKAGE = 'dropbear-bin';
const ADDRESS = '127.0.1.1';

export interface Dropbear extends AsyncDisposable {
  /** Without hops, so that drones of the source and of the built package take them. */
  droneOptions(): SshOptions<never>;
}

/** Starts dropbear, which it installs where it may, with further arguments. */
export async function startDropbear(more: readonly string[] = []): Promise<Dropbear> {
  await installSshd();
  await installPackage(PACKAGE, { program: DROPBEAR });
  const folder = await mkdtemp(join(tmpdir(), 'drone-dropbear-'));
  const identity = join(folder, 'id_ed25519');
  const hostKey = join(folder, 'host_ed25519');
  const knownHosts = join(folder, 'known_hosts');
  const [{ stdout }] = await Promise.all([
    run('dropbearkey', ['-t', 'ed25519', '-f', hostKey]),
    generateKey('ed25519', identity),
  ]);
  const port = await freePort(ADDRESS);
  const [publicKey = ''] = /^ssh-ed25519 \S+/m.exec(stdout) ?? [];
  await writeFile(knownHosts, `[${ADDRESS}]:${String(port)} ${publicKey}\n`);
  const user = loginUser();
  const keys = new AuthorizedKeys(user, (await readFile(`${identity}.pub`, 'utf8')).trim());
  await keys.add();
  const at = `${ADDRESS}:${String(port)}`;
  const args = ['-F', '-E', '-s', '-r', hostKey, '-p', at, '-P', join(folder, 'pid'), ...more];
  const server = spawn(DROPBEAR, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const stop = async (): Promise<void> => {
    const exited = server.exitCode === null ? once(server, 'exit') : undefined;
    server.kill();
    await exited;
    server.stderr.destroy();
    await keys.remove();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await listening(server);
    const agentCommand = await findNode(user);
    return {
      droneOptions: () => ({ host: ADDRESS, port, user, identity, agentSocket: false, knownHosts, agentCommand }),
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Resolves when it listens; what it says is read from then on, too. */
async function listening(server: ChildProcess): Promise<void> {
  const { stderr } = server;
  if (stderr === null) throw new Error('dropbear was started without a pipe');
  const said: string[] = [];
  await new Promise<void>((resolve, reject) => {
    const lines = createInterface({ input: stderr });
    lines.on('line', line => {
      said.push(line);
      if (line.includes('Not backgrounding')) resolve();
    });
    lines.once('close', () => {
      reject(new Error(`dropbear did not start: ${said.join('; ')}`));
    });
    server.once('error', reject);
  });
}

/** A line in the user's own file: this version of dropbear reads no other. Others may change the file at the same time. */
class AuthorizedKeys {
  readonly #user: string;
  readonly #line: string;

  constructor(user: string, line: string) {
    this.#user = user;
    this.#line = line;
  }

  add(): Promise<void> {
    return this.#locked('printf "%s\\n" "$2" >>authorized_keys');
  }

  remove(): Promise<void> {
    return this.#locked('grep -vxF -e "$2" authorized_keys >"$3"; cat "$3" >authorized_keys; rm "$3"');
  }

  async #locked(script: string): Promise<void> {
    const [, , uid, gid, , home = ''] = (await run('getent', ['passwd', this.#user])).stdout.trim().split(':');
    const folder = join(home, '.ssh');
    const steps = `mkdir -p -m 700 "$1" && cd "$1" && touch authorized_keys && chmod 600 authorized_keys && { ${script}; }`;
    const lock = join(tmpdir(), `drone-keys-${String(uid)}.lock`);
    const args = [lock, 'sh', '-c', steps, 'sh', folder, this.#line, `draft-${String(process.pid)}`];
    await run('flock', args, process.getuid?.() === 0 ? { uid: Number(uid), gid: Number(gid), cwd: '/' } : {});
  }
}
