/** A real Redis server for tests: on 127.0.0.1, with its data in a temporary directory. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { installPackage } from './debian-package.js';

const PROGRAM = '/usr/bin/redis-server';
const PASSWORD = 'hush-hush';
/** Ports that no system gives out by itself. */
const PORTS = { first: 31_000, count: 900 } as const;
const READY = 'Ready to accept connections';
const PORT_IS_TAKEN = 'Address already in use';

export interface Redis extends AsyncDisposable {
  /** With the password. */
  readonly url: string;
  /** A signal to the server. After a SIGKILL it is gone; `restart` brings it back. */
  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>;
  /** Starts it anew, on the same port: with what it had, if it keeps that. `until`: a line of its log, by default its last. */
  restart(settings?: Readonly<Record<string, string>>, until?: string): Promise<void>;
  /** Ends it and removes everything. Idempotent. */
  stop(): Promise<void>;
}

/** Starts Redis, which it installs where it may. `keeps`: what it knows outlives it. */
export async function startRedis({
  keeps = false,
  settings = {},
}: { keeps?: boolean; settings?: Readonly<Record<string, string>> } = {}): Promise<Redis> {
  await installPackage('redis-server', { program: PROGRAM });
  const server = new Server(await mkdtemp(join(tmpdir(), 'drone-redis-')), keeps);
  try {
    await server.restart(settings);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

class Server implements Redis {
  readonly #folder: string;
  readonly #keeps: boolean;
  #port: number | undefined;
  #process: ChildProcess | undefined;

  constructor(folder: string, keeps: boolean) {
    this.#folder = folder;
    this.#keeps = keeps;
  }

  get url(): string {
    return `redis://:${PASSWORD}@127.0.0.1:${String(this.#port)}`;
  }

  async restart(more: Readonly<Record<string, string>> = {}, until = READY): Promise<void> {
    for (;;) {
      const port = this.#port ?? PORTS.first + Math.floor(Math.random() * PORTS.count);
      const said = await this.#listen(port, more, until);
      if (said === undefined) {
        this.#port = port;
        return;
      }
      if (this.#port !== undefined || !said.includes(PORT_IS_TAKEN)) throw new Error(`Redis did not start: ${said}`);
    }
  }

  async signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const server = this.#process;
    if (server === undefined) return;
    const exited = once(server, 'exit');
    server.kill(signal);
    if (signal !== 'SIGKILL') return;
    await exited;
    server.stdout?.destroy();
    this.#process = undefined;
  }

  async stop(): Promise<void> {
    await this.signal('SIGKILL');
    await rm(this.#folder, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Resolves with what it said when it has ended instead. */
  async #listen(port: number, more: Readonly<Record<string, string>>, until: string): Promise<string | undefined> {
    const settings = {
      bind: '127.0.0.1',
      port: String(port),
      requirepass: PASSWORD,
      dir: this.#folder,
      save: '',
      appendonly: this.#keeps ? 'yes' : 'no',
      appendfsync: 'always',
      daemonize: 'no',
      ...more,
    };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    const server = spawn(PROGRAM, args, { cwd: this.#folder, stdio: ['ignore', 'pipe', 'ignore'] });
    const said: string[] = [];
    const lines = createInterface({ input: server.stdout });
    const isReady = await new Promise<boolean>((resolve, reject) => {
      lines.on('line', line => {
        said.push(line);
        if (line.includes(until)) resolve(true);
      });
      lines.once('close', () => resolve(false));
      server.once('error', reject);
    });
    if (!isReady) return said.join('; ');
    this.#process = server;
    return undefined;
  }
}
