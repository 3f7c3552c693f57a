/**
 * One authenticated SSH connection over a tunnel.
 *
 * It is opening until the server has accepted the login, then open, then ended. It ends once, with a cause unless we
 * ended it; then the tunnel is closed and no timer or socket is left.
 */
import type { Client, ClientChannel } from 'ssh2';
import { oneLine } from '../../../report/untrusted-text.js';
import { type TransportContext, TransportError } from '../transport.js';
import { raceAbort } from '../../../wait/abort.js';
import { addressOf } from './ssh-endpoint.js';
import { ask, keepAlive } from './keepalive.js';
import { onExecRequest } from './ssh2.js';
import { logIn, type LoginParts, type LoginSettings, type LoginTunnel } from './login.js';
import { meaningOf } from './tcp.js';

/** How long the server may take to end its side of a connection that we ended. */
const FAREWELL_MS = 1000;

/** A byte stream to the server, and what carries it. */
export interface Tunnel extends LoginTunnel {
  hold(): void;
  release(): void;
  /** Ends the stream at once and releases what carries it. */
  close(): void;
}

/** See TransportContext. */
export type ConnectionSettings = LoginSettings & Omit<TransportContext, 'killGraceMs' | 'relay'>;

export interface ConnectionParts extends LoginParts {
  readonly tunnel: Tunnel;
  readonly settings: ConnectionSettings;
}

export class SshConnection {
  readonly #client: Client;
  readonly #tunnel: Tunnel;
  readonly #name: string;
  #stopKeepalive = (): void => undefined;
  #trouble: Error | undefined;
  #isEnding = false;
  #ended = false;
  #farewell: NodeJS.Timeout | undefined;
  /** Callbacks by command, to which its request is reported. */
  readonly #requests = new Map<string, () => void>();
  readonly #endListeners = new Set<(cause: Error | undefined) => void>();

  private constructor(client: Client, tunnel: Tunnel, name: string) {
    this.#client = client;
    this.#tunnel = tunnel;
    this.#name = name;
  }

  /**
   * Shakes hands, checks the host key, logs in. Takes over the tunnel and closes it on failure. Rejects with a
   * TransportError, or at once when aborted.
   */
  static async open(parts: ConnectionParts): Promise<SshConnection> {
    const { client, point, tunnel, authentication, settings } = parts;
    const { keepaliveIntervalMs = settings.keepaliveIntervalMs, keepaliveCount = settings.keepaliveCount } = point;
    const connection = new SshConnection(client, tunnel, addressOf(point));
    try {
      await logIn(parts, () => connection.#opened({ keepaliveIntervalMs, keepaliveCount }));
      return connection;
    } catch (error) {
      connection.destroy();
      throw error;
    } finally {
      authentication.close();
    }
  }

  /** Why the connection was lost; undefined while open, or when we ended it. */
  get lossCause(): Error | undefined {
    return this.#trouble;
  }

  /** Called once, when the connection has ended; soon, if it has already. Returns a function that stops listening. */
  onEnd(listener: (cause: Error | undefined) => void): () => void {
    if (this.#ended) queueMicrotask(() => listener(this.#trouble));
    else this.#endListeners.add(listener);
    return () => this.#endListeners.delete(listener);
  }

  /**
   * Starts a command. `listen` gets its channel before the first event, or a short command's output would be missed.
   * `onRequest` is called right before the server is asked to start it: until then it certainly has not. Rejects with a
   * TransportError: `bootstrap` when the server refuses, `unreachable` when it is gone.
   */
  exec<T>(
    command: string,
    signal: AbortSignal,
    listen: (channel: ClientChannel) => T,
    onRequest?: () => void,
  ): Promise<T> {
    let late: ClientChannel | undefined;
    if (onRequest) this.#requests.set(command, onRequest);
    const opened = this.#openChannel(
      'bootstrap',
      'start a command',
      callback => this.#client.exec(command, callback),
      channel => {
        late = channel;
        return listen(channel);
      },
    );
    const over = opened.finally(() => this.#requests.delete(command));
    return raceAbort(signal, over, () => late?.destroy());
  }

  /**
   * Resolves when the server has answered; all that it sent before has arrived by then. Rejects when the connection
   * ends first.
   */
  ping(): Promise<void> {
    return new Promise((resolve, reject) => {
      const onLoss = (cause: Error | undefined): void =>
        reject(new TransportError('unreachable', `the connection to ${this.#name} has ended`, { cause }));
      const forget = this.onEnd(onLoss);
      if (this.#ended) return;
      ask(this.#client, () => {
        forget();
        resolve();
      });
    });
  }

  /** Opens a connection onward from the server. Rejects with a TransportError, `unreachable`. */
  forward(host: string, port: number, signal: AbortSignal): Promise<ClientChannel> {
    const opened = this.#openChannel(
      'unreachable',
      `connect to ${host} port ${String(port)}`,
      callback => this.#client.forwardOut('127.0.0.1', 0, host, port, callback),
      channel => channel,
    );
    return raceAbort(signal, opened, late => late.destroy());
  }

  hold(): void {
    this.#tunnel.hold();
  }

  release(): void {
    this.#tunnel.release();
  }

  /** Ends in an orderly way, at the latest after FAREWELL_MS. */
  end(): void {
    if (this.#ended || this.#isEnding) return;
    this.#isEnding = true;
    this.#client.end();
    this.#farewell = setTimeout(() => this.#finish(), FAREWELL_MS).unref();
  }

  destroy(): void {
    this.#isEnding = true;
    this.#finish();
  }

  /** Starts the keepalive and follows the client's end. */
  #opened(keepalive: Pick<TransportContext, 'keepaliveIntervalMs' | 'keepaliveCount'>): void {
    const onLoss = (error: Error): void => {
      this.#trouble ??= error;
      this.#finish();
    };
    this.#client.on('error', onLoss).on('close', () => this.#finish());
    onExecRequest(this.#client, command => this.#requests.get(command)?.());
    this.#stopKeepalive = keepAlive(this.#client, this.#tunnel.stream, keepalive, onLoss);
  }

  #openChannel<T>(
    refusal: 'bootstrap' | 'unreachable',
    what: string,
    open: (callback: (error: Error | undefined, channel: ClientChannel) => void) => unknown,
    listen: (channel: ClientChannel) => T,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (kind: 'bootstrap' | 'unreachable', why: string, cause: Error | undefined): void =>
        reject(new TransportError(kind, `${this.#name} did not ${what}: ${why}`, { cause }));
      const onLoss = (cause: Error | undefined): void => fail('unreachable', 'the connection was lost', cause);
      const forget = this.onEnd(onLoss);
      if (this.#ended) return;
      try {
        open((error, channel) => {
          forget();
          if (!error) resolve(listen(channel));
          else if (this.#ended || !this.#tunnel.stream.writable) onLoss(this.#trouble ?? error);
          else fail(refusal, reasonOf(error), error);
        });
      } catch (error) {
        // ssh2 throws when the connection is half closed.
        forget();
        onLoss(this.#trouble ?? (error as Error));
      }
    });
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#farewell);
    this.#stopKeepalive();
    this.#tunnel.close();
    if (this.#isEnding) this.#trouble = undefined;
    else {
      const cause = this.#tunnel.lossCause() ?? this.#trouble;
      const why = cause ? oneLine(meaningOf(cause)) : 'the server closed it';
      this.#trouble = new Error(`the connection to ${this.#name} was lost: ${why}`, { cause });
    }
    const listeners = [...this.#endListeners];
    this.#endListeners.clear();
    for (const listener of listeners) listener(this.#trouble);
  }
}

/** RFC 4254, 5.1. Servers often say no more than "open failed". */
const CHANNEL_REASONS = [
  '',
  'administratively prohibited',
  'connect failed',
  'unknown channel type',
  'resource shortage',
];

function reasonOf(error: Error): string {
  const text = oneLine(error.message.replace(/^\(SSH\) /, ''));
  const reason = 'reason' in error && typeof error.reason === 'number' ? CHANNEL_REASONS[error.reason] : undefined;
  return reason === undefined ? text : `${text} (${reason})`;
}
