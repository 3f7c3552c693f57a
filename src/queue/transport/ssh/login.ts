/**
 * The login at one SSH server, over a tunnel that leads there.
 *
 *                keys are agreed               a credential is taken
 *    handshake ──────────────────► auth ──────────────────────────────► open
 *        │                           │
 *        └───── error, close, abort ─┴────────────────────────────────► failed
 *
 * - handshake: both sides agree on keys, and the server proves that the host key it shows is its own. A server that is too
 *   busy drops the connection here. Nothing was sent to it by then, so `Dropped` is the one failure to try again after.
 * - auth: a new host key is recorded, then credentials are offered one after another. One that the server refuses, or that
 *   cannot be offered, does not leave this state: ssh2 asks for the next one.
 * - open, failed: final.
 *
 * What always holds: a state is left along an arrow only; a credential is offered in `auth` alone, after the host key was
 * accepted and recorded; exactly one final state is reached, and in it neither the client nor the signal changes anything.
 */
import type { Duplex } from 'node:stream';
import type { Algorithms, AuthHandlerMiddleware, Client } from 'ssh2';
import { oneLine } from '../../../report/untrusted-text.js';
import { onAbort } from '../../../wait/abort.js';
import { type TransportContext, TransportError } from '../transport.js';
import type { Authentication, AuthenticationSettings } from './authentication.js';
import type { HostKeyCheck } from './host-key.js';
import { addressOf, type SshPoint } from './ssh-endpoint.js';
import { ignoreFurtherHostKeys } from './ssh2.js';
import { meaningOf } from './tcp.js';

/** What a login needs of its surroundings. */
export type LoginSettings = AuthenticationSettings & Pick<TransportContext, 'phase'>;

/** What a login goes over. */
export interface LoginTunnel {
  readonly stream: Duplex;
  /** The stream ended before anything was sent over it. */
  readonly isClosed: boolean;
  /** Why the tunnel was lost, when it knows better than the stream. */
  lossCause(): Error | undefined;
}

/** The server closed the connection before it had shown who it is: too busy, perhaps. Nothing was sent to it. */
export class Dropped extends TransportError {
  constructor(message: string, options: ErrorOptions) {
    super('unreachable', message, options);
  }

  /** The same, as the last of several attempts. */
  after(attempts: number): TransportError {
    const times = attempts === 1 ? '' : `, ${String(attempts)} times`;
    return new TransportError(this.kind, `${this.message}${times}`, { cause: this.cause });
  }
}

type State = 'handshake' | 'auth' | 'open' | 'failed';

const MOVES: Readonly<Record<State, readonly State[]>> = {
  handshake: ['auth', 'failed'],
  auth: ['open', 'failed'],
  open: [],
  failed: [],
};

/** The kinds of failure differ by what ssh2 adds to its errors. */
type Ssh2Error = Error & { readonly level?: string; readonly code?: unknown };

/** What takes part in a login. */
export interface LoginParts {
  readonly client: Client;
  readonly point: SshPoint;
  readonly tunnel: LoginTunnel;
  readonly hostKey: HostKeyCheck;
  readonly authentication: Authentication;
  readonly settings: LoginSettings;
}

/**
 * `onOpen` is called while ssh2 is still at the message that ends the login: the next one may be in the same packet.
 * Rejects with a TransportError.
 */
export function logIn(parts: LoginParts, onOpen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const opened = (): void => {
      onOpen();
      resolve();
    };
    new Login(parts, opened, reject).start();
  });
}

class Login {
  readonly #client: Client;
  readonly #point: SshPoint;
  readonly #tunnel: LoginTunnel;
  readonly #hostKey: HostKeyCheck;
  readonly #authentication: Authentication;
  readonly #settings: LoginSettings;
  readonly #onOpen: () => void;
  readonly #onFailed: (error: TransportError) => void;
  #state: State = 'handshake';
  #stopListening = (): void => undefined;

  constructor(parts: LoginParts, onOpen: () => void, onFailed: (error: TransportError) => void) {
    this.#client = parts.client;
    this.#point = parts.point;
    this.#tunnel = parts.tunnel;
    this.#hostKey = parts.hostKey;
    this.#authentication = parts.authentication;
    this.#settings = parts.settings;
    this.#onOpen = onOpen;
    this.#onFailed = onFailed;
  }

  start(): void {
    const { signal, phase } = this.#settings;
    this.#stopListening = onAbort(signal, reason => this.#fail(reason as TransportError));
    if (this.#tunnel.isClosed) this.#fail(this.#dropped(this.#tunnel.lossCause()));
    if (this.#isOver) return;
    this.#client
      .on('handshake', () => this.#onHandshake())
      .on('ready', () => this.#onReady())
      .on('error', error => this.#onError(error))
      .on('close', () => this.#onClose())
      .on('change password', () => {
        this.#fail(this.#authentication.failure(new Error('the server wants the password to be changed first')));
      });
    phase('handshake');
    this.#connect();
    this.#authentication.watch(this.#client, error => this.#fail(error));
    ignoreFurtherHostKeys(this.#client);
  }

  #connect(): void {
    const { ciphers, kex, macs, user } = this.#point;
    this.#client.connect({
      sock: this.#tunnel.stream,
      username: user,
      authHandler: this.#nextOffer,
      hostVerifier: (key: Buffer) => this.#hostKey.accepts(key),
      // ssh2 takes an absent list for its default; names that it does not have were refused before.
      algorithms: { cipher: ciphers, kex, hmac: macs, serverHostKey: this.#hostKey.algorithms } as Algorithms,
      // The session keeps the clock of the start; Keepalive says why ssh2's own is off.
      readyTimeout: 0,
      keepaliveInterval: 0,
    });
  }

  /** The server has proved its key by now. A new one is recorded before anything secret goes to it. */
  readonly #nextOffer: AuthHandlerMiddleware = (takes, isPartial, next) => {
    this.#hostKey.record(this.#settings.signal).then(
      () => {
        if (this.#state === 'auth') this.#authentication.handler(takes, isPartial, next);
      },
      (error: unknown) => this.#fail(error as TransportError),
    );
  };

  #onHandshake(): void {
    if (this.#state !== 'handshake') return; // again at each change of session keys
    this.#moveTo('auth');
    this.#settings.phase('auth');
  }

  #onReady(): void {
    if (this.#state === 'handshake') this.#fail(this.#unreachable('took a login before the handshake'));
    if (this.#isOver) return;
    this.#moveTo('open');
    this.#onOpen();
  }

  #onError(error: Ssh2Error): void {
    if (this.#isOver) return;
    const isPassing = error.level === 'client-authentication' && !this.#authentication.isExhausted;
    if (isPassing || error.level === 'agent') this.#authentication.noteTrouble(error);
    else if (this.#hostKey.failure) this.#fail(this.#hostKey.failure);
    else if (this.#state === 'auth') this.#fail(this.#authFailure(error));
    else this.#fail(this.#handshakeFailure(error));
  }

  #onClose(): void {
    const { wasRefused, isAsking } = this.#authentication;
    const cause = this.#tunnel.lossCause();
    if (this.#state === 'handshake') this.#fail(this.#dropped(cause));
    else if (wasRefused || isAsking) {
      this.#fail(this.#authentication.failure(new Error('the server closed the connection')));
    } else this.#fail(this.#unreachable('closed the connection', cause));
  }

  #handshakeFailure(error: Ssh2Error): TransportError {
    if (error.message.includes('no matching host key format') && this.#hostKey.isTypeRecorded) {
      return this.#hostKey.refuseMissingType();
    }
    const { level, code, message } = error;
    const isDrop = level === 'protocol' && message.includes('before handshake');
    if (isDrop || code === 'ECONNRESET' || code === 'EPIPE') return this.#dropped(error);
    return this.#unreachable(`failed at the handshake: ${oneLine(meaningOf(error))}`, error);
  }

  #authFailure(error: Ssh2Error): TransportError {
    if (error.level === 'client-authentication') return this.#authentication.failure(error);
    // A goodbye in the middle of the login, such as for too many keys.
    if (typeof error.code === 'number') return this.#authentication.failure(error, oneLine(error.message));
    return this.#unreachable(`failed at the login: ${oneLine(meaningOf(error))}`, error);
  }

  #dropped(cause: Error | undefined): TransportError {
    return new Dropped(`${addressOf(this.#point)} closed the connection before the handshake`, { cause });
  }

  #unreachable(what: string, cause?: Error): TransportError {
    return new TransportError('unreachable', `${addressOf(this.#point)} ${what}`, { cause });
  }

  get #isOver(): boolean {
    return MOVES[this.#state].length === 0;
  }

  #fail(error: TransportError): void {
    if (this.#isOver) return;
    this.#moveTo('failed');
    this.#onFailed(error);
  }

  #moveTo(state: State): void {
    if (!MOVES[this.#state].includes(state)) throw new Error(`a login went from ${this.#state} to ${state}`);
    this.#state = state;
    if (this.#isOver) this.#stopListening();
  }
}
