import { createHash, timingSafeEqual } from 'node:crypto';
import { once, setMaxListeners } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuthContext, Connection, ParsedKey, PublicKeyAuthContext, ServerChannel, Session } from 'ssh2';
import { onAbort } from '../wait/abort.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { checked, func, integer, secret, text } from '../option/option-kinds.js';
import { readOptions, type Settings, type Table } from '../option/option-table.js';
import { importUnbundled } from '../option/package-file.js';
import type { SshDroneOptions } from '../queue/drone/ssh-drone.js';
import { Commands, type ExecRequest } from './exec-request.js';

/** Options of an SSH server for tests. */
export interface SshServerOptions {
  /** Default 0: any free port. */
  port?: number | undefined;
  /** Address to listen on. Default `127.0.0.1`. */
  host?: string | undefined;
  /** The login name. Commands still run as the user of this process. Default `drone`. */
  username?: string | undefined;
  /** Accepted in addition to the keys. Default: no password. */
  password?: string | undefined;
  /** Public keys in the format of an authorized_keys file, accepted in addition to the server's own `identity`. */
  authorizedKeys?: readonly string[] | undefined;
  /** Handles the commands. Default: `/bin/sh -c` runs them. */
  onExec?: ((request: ExecRequest) => void) | undefined;
}

export const SSH_SERVER = {
  port: integer({ from: 0, to: 65_535 }).or(0),
  host: text().or('127.0.0.1'),
  username: text().or('drone'),
  password: secret(),
  authorizedKeys: checked<readonly string[]>(
    'a list of public keys',
    keys => Array.isArray(keys) && keys.every(key => typeof key === 'string'),
  ).orElse('none', () => []),
  onExec: func<(request: ExecRequest) => void>('(request)'),
} satisfies Table<SshServerOptions>;

/**
 * Starts a real SSH server in this process, with its own ed25519 host key. It runs commands, forwards TCP connections
 * (so it can be a hop) and accepts its client key, each of the `authorizedKeys` and the password.
 *
 *     await using server = await startSshServer();
 *     const drone = new SshDrone('web1', server.droneOptions());
 *
 * Rejects with the system's error if it cannot listen, or with a TypeError (`ERR_INVALID_ARG`) for an invalid key.
 */
export async function startSshServer(options: SshServerOptions = {}): Promise<SshServer> {
  const settings = readOptions(SSH_SERVER, options);
  const { default: ssh2 } = await importUnbundled<{ default: typeof import('ssh2') }>('ssh2');
  const generate = (): { readonly public: string; readonly private: string } => {
    for (;;) {
      const pair = ssh2.utils.generateKeyPairSync('ed25519');
      // One key in 256 begins with a zero byte, which ssh2 cuts off: https://github.com/mscdex/ssh2/issues/1390
      const isWhole = [pair.public, pair.private].every(text => !(ssh2.utils.parseKey(text) instanceof Error));
      if (isWhole) return pair;
    }
  };
  const hostKey = generate();
  const clientKey = generate();
  const parse = (text: string): ParsedKey => {
    const key = ssh2.utils.parseKey(text);
    if (key instanceof Error) throw invalidArgument('authorizedKeys', text, 'public keys in the OpenSSH format');
    return key;
  };
  const authorizedKeys = [clientKey.public, ...settings.authorizedKeys].map(parse);
  const folder = await mkdtemp(join(tmpdir(), 'drone-ssh-server-'));
  const identity = join(folder, 'id_ed25519');
  await writeFile(identity, clientKey.private, { mode: 0o600 });
  const protocol = new ssh2.Server({ hostKeys: [hostKey.private] });
  const keys = { folder, identity, hostKey: parse(hostKey.public).getPublicSSH(), authorizedKeys };
  const server = new SshServer(settings, keys, socket => protocol.injectSocket(socket));
  protocol.on('connection', client => server[serve](client));
  try {
    await server.resume();
  } catch (error) {
    await server.close();
    throw error;
  }
  return server;
}

interface Keys {
  readonly folder: string;
  readonly identity: string;
  readonly hostKey: Buffer;
  readonly authorizedKeys: readonly ParsedKey[];
}

const serve = Symbol('serve');

/** See startSshServer. */
class SshServer {
  readonly host: string;
  readonly username: string;
  /** Path of a private key that the server accepts; `close` removes the file. */
  readonly identity: string;
  /** `SHA256:…`, as `ssh-keygen -l` prints it. */
  readonly hostKeyFingerprint: string;
  readonly #options: Settings<typeof SSH_SERVER>;
  readonly #keys: Keys;
  readonly #commands = new Commands();
  readonly #sockets = new Set<Socket>();
  readonly #listener;
  #port: number;
  #connects = 0;

  /** @internal */
  constructor(options: Settings<typeof SSH_SERVER>, keys: Keys, accept: (socket: Socket) => void) {
    this.#options = options;
    this.#keys = keys;
    this.#port = options.port;
    this.host = options.host;
    this.username = options.username;
    this.identity = keys.identity;
    this.hostKeyFingerprint = `SHA256:${createHash('sha256').update(keys.hostKey).digest('base64').replace(/=+$/, '')}`;
    // Without noDelay each small message may wait 40 ms for the client's acknowledgement.
    this.#listener = createServer({ noDelay: true }, socket => {
      this.#connects++;
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      accept(socket);
    });
  }

  /** The port on the loopback address; the same after a restart. */
  get port(): number {
    return this.#port;
  }

  /** A line for a known_hosts file. */
  get knownHostsLine(): string {
    const name = this.#port === 22 ? this.host : `[${this.host}]:${String(this.#port)}`;
    return `${name} ssh-ed25519 ${this.#keys.hostKey.toString('base64')}`;
  }

  /** TCP connections open now. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** TCP connections accepted in all. */
  get connects(): number {
    return this.#connects;
  }

  /** Options for an SshDrone that connects to this server. */
  droneOptions(): SshDroneOptions {
    return {
      host: this.host,
      port: this.#port,
      user: this.username,
      identity: this.identity,
      agentSocket: false,
      hostKeys: { fingerprints: [this.hostKeyFingerprint] },
    };
  }

  /** Cuts all connections, as a crash would; commands see the end of their stdin. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Refuses new connections; open ones stay. */
  async pause(): Promise<void> {
    if (!this.#listener.listening) return;
    // The callback of close() would also wait for the open connections.
    this.#listener.close();
    await new Promise(setImmediate);
  }

  /** Accepts connections again, on the same port. */
  async resume(): Promise<void> {
    if (this.#listener.listening) return;
    this.#listener.listen(this.#port, this.host);
    await once(this.#listener, 'listening');
    this.#port = (this.#listener.address() as AddressInfo).port;
  }

  /** Ends everything: connections, commands, the listening socket, the files of its client key. Idempotent. */
  async close(): Promise<void> {
    await this.pause();
    this.dropConnections();
    await this.#commands.end();
    await rm(this.#keys.folder, { recursive: true, force: true });
  }

  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal */
  [serve](client: Connection): void {
    const gone = new AbortController();
    setMaxListeners(0, gone.signal); // one for each channel
    client.once('close', () => gone.abort());
    client.on('authentication', context => {
      if (this.#accepts(context)) context.accept();
      else context.reject(this.#options.password === undefined ? ['publickey'] : ['publickey', 'password']);
    });
    client.on('error', () => undefined); // a client that broke off, or does not speak SSH
    client.on('session', accept => this.#serveSession(accept, gone.signal));
    client.on('tcpip', (accept, reject, { destIP, destPort }) => {
      const socket = connect({ host: destIP, port: destPort, noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        const channel = accept();
        socket.on('error', () => channel.destroy());
        socket.pipe(channel).pipe(socket);
      });
      onAbort(gone.signal, () => socket.destroy());
    });
  }

  #accepts(context: AuthContext): boolean {
    if (context.username !== this.username) return false;
    if (context.method === 'publickey') return this.#acceptsKey(context);
    const { password } = this.#options;
    return context.method === 'password' && password !== undefined && isSame(context.password, password);
  }

  #acceptsKey({ key, blob, signature, hashAlgo }: PublicKeyAuthContext): boolean {
    const known = this.#keys.authorizedKeys.find(candidate => candidate.getPublicSSH().equals(key.data));
    if (!known) return false;
    // Without a signature the client only asks whether this key is accepted.
    if (signature === undefined) return true;
    // For a malformed signature ssh2 returns an Error, which its types do not declare.
    const verdict: unknown = blob !== undefined && known.verify(blob, signature, hashAlgo);
    return verdict === true;
  }

  #serveSession(accept: () => Session, gone: AbortSignal): void {
    let kill: ((signal: NodeJS.Signals) => void) | undefined;
    const session = accept();
    session.on('exec', (acceptExec, _reject, { command }) => {
      const channel = acceptExec();
      const request = requestOn(channel, command, gone);
      if (this.#options.onExec) this.#options.onExec(request);
      else kill = this.#commands.run(request);
    });
    session.on('signal', (_accept, _reject, { name }) => {
      const signal = `SIG${name}`;
      if (signal in constants.signals) kill?.(signal as NodeJS.Signals);
    });
  }
}

export type { SshServer };

function requestOn(channel: ServerChannel, command: string, gone: AbortSignal): ExecRequest {
  let hasExited = false;
  return {
    command,
    stdin: channel,
    stdout: channel,
    stderr: channel.stderr,
    gone,
    exit: statusOrSignal => {
      if (hasExited) return;
      hasExited = true;
      if (typeof statusOrSignal === 'number') channel.exit(statusOrSignal);
      else channel.exit(statusOrSignal.replace(/^SIG/, ''));
      channel.end();
    },
  };
}

function isSame(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
