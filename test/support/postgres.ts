/** A real PostgreSQL server for tests: on 127.0.0.1 and a socket of its own, with its data in a temporary directory. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { installPackage } from './debian-package.js';
import { runFolder } from './run-folder.js';

const run = promisify(execFile);

const PACKAGE = 'postgresql';
const DEBIAN_FOLDER = '/usr/lib/postgresql';
/** The package would make a server with data of its own, and start it. */
const CREATE_NO_CLUSTER = '/etc/postgresql-common/createcluster.d';
/** initdb and postgres refuse to be run by root; the package makes this user. */
const UNPRIVILEGED = 'postgres';
const USER = 'drone';
const PASSWORD = 'hush-hush';
/** Ports that no system gives out by itself. */
const PORTS = { first: 32_000, count: 700 } as const;
const READY = 'database system is ready to accept connections';
const PORT_IS_TAKEN = 'could not create any TCP/IP sockets';

export interface Postgres extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Who owns all databases, and may do everything. */
  readonly user: string;
  readonly password: string;
  /** Lines of its log. */
  readonly log: readonly string[];
  /** URL of a new, empty database. */
  database(): Promise<string>;
  /** The same database by way of another port, or with other parts. */
  through(url: string, parts: Readonly<Partial<Record<'port' | 'password' | 'username' | 'search', string>>>): string;
  /** A signal to the server and all processes of its. After a SIGKILL nothing of it runs; `restart` brings it back. */
  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>;
  /** Ends it, if need be, and starts it anew with the same data on the same port. */
  restart(): Promise<void>;
  /** Ends it and removes everything. Idempotent. */
  stop(): Promise<void>;
}

interface Identity {
  readonly uid?: number;
  readonly gid?: number;
}

/** Starts PostgreSQL, which it installs where it may. `settings` are lines of postgresql.conf. */
export async function startPostgres(settings: Readonly<Record<string, string | number>> = {}): Promise<Postgres> {
  const programs = await findPrograms();
  const identity = await unprivileged();
  const folder = await mkdtemp(join(tmpdir(), 'drone-postgres-'));
  const server = new Server(programs, folder, identity, settings);
  try {
    await server.initialize();
    await server.start();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

class Server implements Postgres {
  readonly host = '127.0.0.1';
  readonly user = USER;
  readonly password = PASSWORD;
  readonly log: string[] = [];
  port = 0;
  readonly #programs: string;
  readonly #folder: string;
  readonly #identity: Identity;
  readonly #settings: Readonly<Record<string, string | number>>;
  #process: ChildProcess | undefined;
  #databases = 0;

  constructor(
    programs: string,
    folder: string,
    identity: Identity,
    settings: Readonly<Record<string, string | number>>,
  ) {
    this.#programs = programs;
    this.#folder = folder;
    this.#identity = identity;
    this.#settings = settings;
  }

  get #data(): string {
    return join(this.#folder, 'data');
  }

  /** An initdb takes longer than all else here: the first of a test run leaves its result to the others. */
  async initialize(): Promise<void> {
    const { uid, gid } = this.#identity;
    if (uid !== undefined && gid !== undefined) await chown(this.#folder, uid, gid);
    const template = runFolder === undefined ? undefined : join(runFolder, 'postgres-data');
    if (template !== undefined && existsSync(template)) {
      await copyFolder(template, this.#data);
      return;
    }
    await this.#initdb();
    if (template !== undefined) await publish(this.#data, template);
  }

  async #initdb(): Promise<void> {
    const passwordFile = join(this.#folder, 'password');
    await writeFile(passwordFile, PASSWORD, { mode: 0o644 });
    const args = ['-D', this.#data, '-U', USER, `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--no-sync'];
    const options = { cwd: this.#folder, ...this.#identity };
    await run(join(this.#programs, 'initdb'), [...args, '--encoding=UTF8', '--locale=C', '--no-instructions'], options);
  }

  async start(): Promise<void> {
    const isSettled = this.port !== 0;
    for (;;) {
      if (!isSettled) this.port = PORTS.first + Math.floor(Math.random() * PORTS.count);
      const settings = {
        listen_addresses: this.host,
        port: this.port,
        unix_socket_directories: this.#folder,
        max_connections: 40,
        shared_buffers: '16MB',
        // What lies in /dev/shm otherwise is left there by a server that is killed.
        dynamic_shared_memory_type: 'mmap',
        fsync: 'off',
        full_page_writes: 'off',
        autovacuum: 'off',
        ...this.#settings,
      };
      const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${String(value)}`]);
      const said = await this.#listen(['-D', this.#data, ...args]);
      if (said === undefined) return;
      if (isSettled || !said.includes(PORT_IS_TAKEN)) throw new Error(`PostgreSQL did not start: ${said}`);
    }
  }

  async database(): Promise<string> {
    this.#databases++;
    const name = `test_${String(this.#databases)}`;
    const url = (database: string): string =>
      `postgres://${USER}:${PASSWORD}@${this.host}:${String(this.port)}/${database}`;
    const client = new Client(url('postgres'));
    await client.connect();
    try {
      await client.query(`CREATE DATABASE ${name}`);
    } finally {
      await client.end();
    }
    return url(name);
  }

  through(url: string, parts: Readonly<Partial<Record<'port' | 'password' | 'username' | 'search', string>>>): string {
    return Object.assign(new URL(url), parts).href;
  }

  async signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const server = this.#process;
    if (server?.pid === undefined) return;
    // Held still, it makes no further processes while they are counted.
    if (signal !== 'SIGCONT') process.kill(server.pid, 'SIGSTOP');
    const { stdout } = await run('ps', ['-e', '-o', 'pid=,ppid=']);
    const rows = stdout.split('\n').map(line => line.trim().split(/\s+/).map(Number));
    for (const [pid, parent] of rows) {
      if (parent === server.pid && pid !== undefined) sendSignal(pid, signal);
    }
    if (signal === 'SIGKILL') await this.#end(server, 'SIGKILL');
    else process.kill(server.pid, signal);
  }

  async restart(): Promise<void> {
    if (this.#process !== undefined) await this.#end(this.#process, 'SIGINT');
    await this.start();
  }

  async stop(): Promise<void> {
    if (this.#process !== undefined) {
      await this.signal('SIGCONT');
      await this.#end(this.#process, 'SIGINT');
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #end(server: ChildProcess, signal: 'SIGINT' | 'SIGKILL'): Promise<void> {
    const exited = once(server, 'exit');
    const segment = signal === 'SIGKILL' ? await this.#sharedMemory() : undefined;
    server.kill(signal);
    await exited;
    server.stderr?.destroy();
    this.#process = undefined;
    if (segment !== undefined) await run('ipcrm', ['-m', segment]);
  }

  /** The id of a small segment that the system keeps when a server is killed; the server keeps its number in a file. */
  async #sharedMemory(): Promise<string | undefined> {
    const lines = (await readFile(join(this.#data, 'postmaster.pid'), 'utf8')).split('\n');
    return lines[6]?.trim().split(/\s+/)[1];
  }

  /** Resolves with what it said when it has ended instead. */
  async #listen(args: readonly string[]): Promise<string | undefined> {
    const server = spawn(join(this.#programs, 'postgres'), args, {
      cwd: this.#folder,
      ...this.#identity,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const from = this.log.length;
    const lines = createInterface({ input: server.stderr });
    const isReady = await new Promise<boolean>((resolve, reject) => {
      lines.on('line', line => {
        this.log.push(line);
        if (line.includes(READY)) resolve(true);
      });
      lines.once('close', () => resolve(false));
      server.once('error', reject);
    });
    if (!isReady) return this.log.slice(from).join('; ');
    this.#process = server;
    return undefined;
  }
}

/** The directory of initdb and postgres. */
async function findPrograms(): Promise<string> {
  const found = programFolder();
  if (found !== undefined) return found;
  await installPackage(PACKAGE, {
    program: join(DEBIAN_FOLDER, '*/bin/postgres'),
    before: [
      `trap 'rm -f ${CREATE_NO_CLUSTER}/drone-tests.conf; rmdir ${CREATE_NO_CLUSTER} 2>/dev/null' EXIT`,
      `mkdir -p ${CREATE_NO_CLUSTER}`,
      `echo 'create_main_cluster = false' >${CREATE_NO_CLUSTER}/drone-tests.conf`,
    ],
  });
  const installed = programFolder();
  if (installed === undefined) throw new Error(`the package ${PACKAGE} has no initdb and postgres in ${DEBIAN_FOLDER}`);
  return installed;
}

function programFolder(): string | undefined {
  const versions = existsSync(DEBIAN_FOLDER) ? readdirSync(DEBIAN_FOLDER) : [];
  const newestFirst = versions.sort((one, other) => Number(other) - Number(one));
  const folders = [
    ...newestFirst.map(version => join(DEBIAN_FOLDER, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(delimiter),
  ];
  return folders.find(folder => ['initdb', 'postgres'].every(program => existsSync(join(folder, program))));
}

async function unprivileged(): Promise<Identity> {
  if (process.getuid?.() !== 0) return {};
  const { stdout } = await run('getent', ['passwd', UNPRIVILEGED]);
  const [, , uid, gid] = stdout.split(':');
  return { uid: Number(uid), gid: Number(gid) };
}

/** With owners and permissions, which PostgreSQL insists on. */
async function copyFolder(from: string, to: string): Promise<void> {
  await run('cp', ['-a', from, to]);
}

/** Others never see half of the directory; another process may be first. */
async function publish(folder: string, place: string): Promise<void> {
  const copy = `${place}.${String(process.pid)}`;
  await copyFolder(folder, copy);
  try {
    await rename(copy, place);
  } catch (error) {
    await rm(copy, { recursive: true, force: true });
    if (!existsSync(place)) throw error;
  }
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It has just ended by itself.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
