/**
 * One authenticated SSH connection, over whatever tunnel leads to its server.
 *
 * It is opening until the server has taken the login, then open, then ended. It ends once, with a cause unless we ended
 * it ourselves; from then on the tunnel below is closed and no timer or socket of it is left.
 */
import type { Duplex } from 'node:stream';
import type { Algorithms, Client, ClientChannel } from 'ssh2';
import { oneLine } from '../../../report/untrusted-text.js';
import { type TransportContext, TransportError } from '../transport.js';
import { onAbort, raceAbort } from '../../../wait/abort.js';
import type { Authentication, LoginSettings } from './authentication.js';
import { addressOf, type SshPoint } from './ssh-endpoint.js';
import type { HostKeyCheck } from './host-key.js';
import { ask, Keepalive } from './keepalive.js';
import { ignoreFurtherHostKeys } from './ssh2.js';
import { meaningOf } from './tcp.js';

/** How long the server may take to end its side of a connection that we have ended. */
const FAREWELL_MS = 1000;

/** A byte stream to the server, and what it rests on. */
export interface Tunnel {
  readonly stream: Duplex;
  /** The stream ended before anything was sent over it. */
  readonly isClosed: boolean;
  /** Keep the process alive, or not. */
  hold(): void;
  release(): void;
  /** Why the tunnel was lost, when it knows better than the stream. */
  lossCause(): Error | undefined;
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
      | 'phase'
      | 'turn'
      | 'turnFor'
      | 'rest'
    > {}

/** The server closed the connection before it had shown who it is: too busy, perhaps. Nothing was sent to it. */
export class Dropped extends TransportError {
  constructor(message: string, options: ErrorOptions) {
    super('unreachable', message, options);
  }

  /** The same, told as the last of several attempts. */
  after(attempts: number): TransportError {
    const times = attempts === 1 ? '' : `, ${String(attempts)} times`;
    return new TransportError(this.kind, `${this.message}${times}`, { cause: this.cause });
  }
}

/** Why a connection could not be opened is told apart by what ssh2 adds to its errors. */
type Ssh2Error = Error & { readonly level?: string; readonly code?: unknown };

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
  static async open(
    client: Client,
    point: SshPoint,
    tunnel: Tunnel,
    hostKey: HostKeyCheck,
    authentication: Authentication,
    settings: ConnectionSettings,
  ): Promise<SshConnection> {
    const connection = new SshConnection(client, tunnel, addressOf(point));
    try {
      await connection.#logIn(point, hostKey, authentication, settings);
    } catch (error) {
      connection.destroy();
      throw error;
    } finally {
      authentication.close();
    }
    const { keepaliveIntervalMs = settings.keepaliveIntervalMs, keepaliveCount = settings.keepaliveCount } = point;
    connection.#keepalive = new Keepalive(client, tunnel.stream, { keepaliveIntervalMs, keepaliveCount }, error => {
      connection.#trouble ??= error;
      connection.#finish();
    });
    return connection;
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

  #logIn(
    point: SshPoint,
    hostKey: HostKeyCheck,
    authentication: Authentication,
    settings: ConnectionSettings,
  ): Promise<void> {
    const { signal } = settings;
    return new Promise((resolve, reject) => {
      let step: 'handshake' | 'auth' | 'open' = 'handshake';
      const fail = (error: TransportError): void => {
        stopListening();
        reject(error);
      };
      const unreachable = (what: string, cause: Error | undefined): TransportError =>
        new TransportError('unreachable', `${this.#name} ${what}`, { cause });
      const dropped = (cause: Error | undefined): TransportError =>
        new Dropped(`${this.#name} closed the connection before the handshake`, { cause });

      this.#client
        .on('error', (error: Ssh2Error) => {
          // Of an attempt that could not be made; ssh2 goes on with the next one by itself.
          const isPassing = error.level === 'client-authentication' && !authentication.isExhausted;
          if (step !== 'open' && (error.level === 'agent' || isPassing)) {
            authentication.noteTrouble(error);
            return;
          }
          this.#trouble ??= error;
          if (step === 'open') this.#finish();
          else if (hostKey.failure) fail(hostKey.failure);
          else if (error.message.includes('no matching host key format') && hostKey.isTypeRecorded) {
            fail(hostKey.refuseMissingType());
          } else if (error.level === 'client-authentication') fail(authentication.failure(error));
          else if (step === 'auth' && typeof error.code === 'number') {
            // A goodbye in the middle of the login, such as for too many keys.
            fail(authentication.failure(error, oneLine(error.message)));
          } else if (step === 'handshake' && isDrop(error)) {
            fail(dropped(error));
          } else
            fail(
              unreachable(
                `${step === 'auth' ? 'failed at the login' : 'failed at the handshake'}: ${oneLine(meaningOf(error))}`,
                error,
              ),
            );
        })
        .on('handshake', () => {
          if (step !== 'handshake') return; // again at each change of session keys
          step = 'auth';
          settings.phase('auth');
        })
        .on('close', () => {
          if (step === 'auth' && (authentication.wasRefused || authentication.isAsking)) {
            fail(authentication.failure(this.#trouble ?? new Error('the server closed the connection')));
          } else if (step === 'handshake') {
            fail(dropped(this.#tunnel.lossCause() ?? this.#trouble));
          } else {
            fail(unreachable('closed the connection', this.#tunnel.lossCause() ?? this.#trouble));
          }
          this.#finish();
        })
        .on('change password', () => {
          fail(authentication.failure(new Error('the server wants the password to be changed first')));
        })
        .once('ready', () => {
          step = 'open';
          stopListening();
          resolve();
        });

      signal.throwIfAborted();
      const stopListening = onAbort(signal, reject);
      if (this.#tunnel.isClosed) {
        fail(dropped(this.#tunnel.lossCause()));
        return;
      }
      settings.phase('handshake');
      const { ciphers, kex, macs } = point;
      this.#client.connect({
        sock: this.#tunnel.stream,
        username: point.user,
        // The server has proved its key by now. A new one is recorded before anything secret goes to it.
        authHandler: (takes, isPartial, next) => {
          hostKey.record(signal).then(
            () => {
              authentication.handler(takes, isPartial, next);
            },
            (error: unknown) => {
              fail(error as TransportError);
            },
          );
        },
        hostVerifier: (key: Buffer) => hostKey.accepts(key),
        // ssh2 takes an absent list for its default; names that it does not have were refused before.
        algorithms: { cipher: ciphers, kex, hmac: macs, serverHostKey: hostKey.algorithms } as Algorithms,
        // The link keeps the clock of the start; Keepalive says why ssh2's own is off.
        readyTimeout: 0,
        keepaliveInterval: 0,
      });
      authentication.watch(this.#client, fail);
      ignoreFurtherHostKeys(this.#client);
    });
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

function isDrop({ level, code, message }: Ssh2Error): boolean {
  return code === 'ECONNRESET' || code === 'EPIPE' || (level === 'protocol' && message.includes('before handshake'));
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
