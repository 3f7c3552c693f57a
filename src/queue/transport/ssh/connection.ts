/**
 * One authenticated SSH connection, over whatever tunnel leads to its server.
 *
 * It is opening until the server has taken the login, then open, then ended. It ends once, with a cause unless we ended
 * it ourselves; from then on the tunnel below is closed and no timer or socket of it is left.
 */
import type { Client, ClientChannel } from 'ssh2';
import { oneLine } from '../../../report/untrusted-text.js';
import { type TransportContext, TransportError } from '../transport.js';
import { raceAbort } from '../../../wait/abort.js';
import { addressOf } from './ssh-endpoint.js';
import { ask, Keepalive } from './keepalive.js';
import { logIn, type LoginParts, type LoginSettings, type LoginTunnel } from './login.js';
import { meaningOf } from './tcp.js';

/** How long the server may take to end its side of a connection that we have ended. */
const FAREWELL_MS = 1000;

/** A byte stream to the server, and what it rests on. */
export interface Tunnel extends LoginTunnel {
  /** Keep the process alive, or not. */
  hold(): void;
  release(): void;
  /** Ends the stream at once and gives up what it rests on. */
  close(): void;
}

/** What a connection needs of its surroundings; see TransportContext. */
export interface ConnectionSettings
  extends
    LoginSettings,
    Pick<
      TransportContext,
      | 'connectTimeoutMs'
      | 'keepaliveIntervalMs'
      | 'keepaliveCount'
      | 'maxConnectingPerAddress'
      | 'held'
      | 'pause'
      | 'openShared'
    > {}

export interface ConnectionParts extends LoginParts {
  readonly tunnel: Tunnel;
  readonly settings: ConnectionSettings;
}

export class SshConnection {
  readonly #client: Client;
  readonly #tunnel: Tunnel;
  readonly #name: string;
  #keepalive: Keepalive | undefined;
  #trouble: Error | undefined;
  #isEnding = false;
  #ended = false;
  #farewell: NodeJS.Timeout | undefined;
  #endListeners: ((cause: Error | undefined) => void)[] = [];

  private constructor(client: Client, tunnel: Tunnel, name: string) {
    this.#client = client;
    this.#tunnel = tunnel;
    this.#name = name;
  }

  /**
   * Shakes hands, checks the host key, logs in. Takes the tunnel over: it is closed when this rejects, with a
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

  /** Why the connection was lost; undefined while it is open, or when we ended it. */
  get lossCause(): Error | undefined {
    return this.#trouble;
  }

  /** Called once, when the connection has ended; soon, if it has already. */
  onEnd(listener: (cause: Error | undefined) => void): void {
    if (this.#ended) {
      queueMicrotask(() => {
        listener(this.#trouble);
      });
    } else {
      this.#endListeners.push(listener);
    }
  }

  /**
   * Starts a command, and gives what `listen` makes of its channel; it gets that before the first event, or what a short
   * command says would be missed. Rejects with a TransportError: `bootstrap` when the server refuses, `unreachable` when it
   * is gone.
   */
  exec<T>(command: string, signal: AbortSignal, listen: (channel: ClientChannel) => T): Promise<T> {
    let late: ClientChannel | undefined;
    const opened = this.#openChannel(
      'bootstrap',
      'start a command',
      callback => this.#client.exec(command, callback),
      channel => {
        late = channel;
        return listen(channel);
      },
    );
    return raceAbort(signal, opened, () => late?.destroy());
  }

  /** Resolves when the server has answered: what it sent before is here by then. Rejects when the connection ends first. */
  ping(): Promise<void> {
    return new Promise((resolve, reject) => {
      const onLoss = (cause: Error | undefined): void => {
        reject(new TransportError('unreachable', `the connection to ${this.#name} has ended`, { cause }));
      };
      this.onEnd(onLoss);
      if (this.#ended) return;
      ask(this.#client, () => {
        this.#endListeners = this.#endListeners.filter(listener => listener !== onLoss);
        resolve();
      });
    });
  }

  /** Connects on from the server. Rejects with a TransportError, `unreachable`. */
  forward(host: string, port: number, signal: AbortSignal): Promise<ClientChannel> {
    const opened = this.#openChannel(
      'unreachable',
      `connect to ${host} port ${String(port)}`,
      callback => this.#client.forwardOut('127.0.0.1', 0, host, port, callback),
      channel => channel,
    );
    return raceAbort(signal, opened, late => {
      late.destroy();
    });
  }

  hold(): void {
    this.#tunnel.hold();
  }

  release(): void {
    this.#tunnel.release();
  }

  /** Says goodbye and ends; at the latest after FAREWELL_MS. */
  end(): void {
    if (this.#ended || this.#isEnding) return;
    this.#isEnding = true;
    this.#client.end();
    this.#farewell = setTimeout(() => {
      this.#finish();
    }, FAREWELL_MS).unref();
  }

  destroy(): void {
    this.#isEnding = true;
    this.#finish();
  }

  /** The keepalive begins, and what ends the client ends the connection. */
  #opened(keepalive: Pick<TransportContext, 'keepaliveIntervalMs' | 'keepaliveCount'>): void {
    const onLoss = (error: Error): void => {
      this.#trouble ??= error;
      this.#finish();
    };
    this.#client.on('error', onLoss).on('close', () => this.#finish());
    this.#keepalive = new Keepalive(this.#client, this.#tunnel.stream, keepalive, onLoss);
  }

  #openChannel<T>(
    refusal: 'bootstrap' | 'unreachable',
    what: string,
    open: (callback: (error: Error | undefined, channel: ClientChannel) => void) => unknown,
    listen: (channel: ClientChannel) => T,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (kind: 'bootstrap' | 'unreachable', why: string, cause: Error | undefined): void => {
        reject(new TransportError(kind, `${this.#name} did not ${what}: ${why}`, { cause }));
      };
      const onLoss = (cause: Error | undefined): void => {
        fail('unreachable', 'the connection was lost', cause);
      };
      this.onEnd(onLoss);
      if (this.#ended) return;
      const forget = (): void => {
        this.#endListeners = this.#endListeners.filter(listener => listener !== onLoss);
      };
      try {
        open((error, channel) => {
          forget();
          if (!error) resolve(listen(channel));
          else if (this.#ended || !this.#tunnel.stream.writable) onLoss(this.#trouble ?? error);
          else fail(refusal, reasonOf(error), error);
        });
      } catch (error) {
        // Half closed already: ssh2 says so by a throw.
        forget();
        onLoss(this.#trouble ?? (error as Error));
      }
    });
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#farewell);
    this.#keepalive?.stop();
    this.#tunnel.close();
    if (this.#isEnding) this.#trouble = undefined;
    else {
      const cause = this.#tunnel.lossCause() ?? this.#trouble;
      const why = cause ? meaningOf(cause) : 'the server closed it';
      this.#trouble = new Error(`the connection to ${this.#name} was lost: ${why}`, { cause });
    }
    const listeners = this.#endListeners;
    this.#endListeners = [];
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
