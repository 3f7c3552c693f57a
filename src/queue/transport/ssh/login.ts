/**
 * The login at one SSH server, over a tunnel.
 *
 *                keys are agreed               a credential is taken
 *    handshake ──────────────────► auth ──────────────────────────────► open
 *        │                           │
 *        └───── error, close, abort ─┴────────────────────────────────► failed
 *
 * - handshake: both sides agree on keys, and the server proves its host key. A busy server drops the connection here,
 *   before anything was sent to it; so `Dropped` is the only failure after which connecting is retried.
 * - auth: records a new host key, then offers credentials one by one. A credential that is refused, or cannot be
 *   offered, does not leave this state: ssh2 asks for the next one.
 * - open, failed: final.
 *
 * Invariants: a state is left along an arrow only; credentials are offered in `auth` alone, after the host key was
 * accepted and recorded; exactly one final state is reached, and neither client nor signal changes anything then.
 */
import type { Duplex } from 'node:stream';
import type { Algorithms, AuthHandlerMiddleware, Client } from 'ssh2';
import { oneLine } from '../../../report/untrusted-text.js';
import { onAbort } from '../../../wait/abort.js';
import { type TransportContext, TransportError } from '../transport.js';
import type { Authentication, AuthenticationSettings } from './authentication.js';
import type { HostKeyCheck } from './host-key.js';
import { addressOf, type SshPoint } from './ssh-endpoint.js';
import { NO_CERTIFICATES, ServerWords } from './server-words.js';
import { ignoreFurtherHostKeys, joinVersionLine } from './ssh2.js';
import { meaningOf } from './tcp.js';

export type LoginSettings = AuthenticationSettings & Pick<TransportContext, 'phase'>;

export interface LoginTunnel {
  readonly stream: Duplex;
  /** The stream ended before anything was sent. */
  readonly isClosed: boolean;
  /** Why the tunnel was lost, if it knows better than the stream. */
  lossCause(): Error | undefined;
}

/** The server, perhaps too busy, closed the connection before it had shown its host key. Nothing was sent to it. */
export class Dropped extends TransportError {
  readonly #what: string;
  readonly #said: string;

  /** `said`: the server's words, as a part of the message. */
  constructor(what: string, said: string, options: ErrorOptions) {
    super('unreachable', `${what}${said}`, options);
    this.#what = what;
    this.#said = said;
  }

  /** The same, as the last of several attempts. */
  after(attempts: number): TransportError {
    const times = attempts === 1 ? '' : `, ${String(attempts)} times`;
    return new TransportError(this.kind, `${this.#what}${times}${this.#said}`, { cause: this.cause });
  }
}

type State = 'handshake' | 'auth' | 'open' | 'failed';

const MOVES: Readonly<Record<State, readonly State[]>> = {
  handshake: ['auth', 'failed'],
  auth: ['open', 'failed'],
  open: [],
  failed: [],
};

/** The fields that ssh2 adds to errors tell the kinds of failure apart. */
type Ssh2Error = Error & { readonly level?: string; readonly code?: unknown };

export interface LoginParts {
  readonly client: Client;
  readonly point: SshPoint;
  readonly tunnel: LoginTunnel;
  readonly hostKey: HostKeyCheck;
  readonly authentication: Authentication;
  readonly settings: LoginSettings;
}

/**
 * `onOpen` is called while ssh2 handles the message that ends the login: the next one may be in the same packet.
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
  readonly #parts: LoginParts;
  readonly #onOpen: () => void;
  readonly #onFailed: (error: TransportError) => void;
  #state: State = 'handshake';
  #stopListening = (): void => undefined;
  #words: ServerWords | undefined;

  constructor(parts: LoginParts, onOpen: () => void, onFailed: (error: TransportError) => void) {
    this.#parts = parts;
    this.#onOpen = onOpen;
    this.#onFailed = onFailed;
  }

  start(): void {
    const { client, tunnel, authentication, settings } = this.#parts;
    this.#stopListening = onAbort(settings.signal, reason => this.#fail(reason as TransportError));
    if (tunnel.isClosed) this.#fail(this.#dropped(tunnel.lossCause()));
    if (this.#isOver) return;
    client
      .on('handshake', () => this.#onHandshake())
      .on('ready', () => this.#onReady())
      .on('error', error => this.#onError(error))
      .on('close', () => this.#onClose())
      .on('change password', () =>
        this.#fail(authentication.failure(new Error('the server requires a password change first'))),
      );
    settings.phase('handshake');
    const words = new ServerWords(tunnel.stream);
    this.#words = words;
    this.#connect(words);
    words.listen(client);
    authentication.watch(client, error => this.#fail(error));
    ignoreFurtherHostKeys(client);
    joinVersionLine(client);
  }

  #connect(words: ServerWords): void {
    const { client, point, tunnel, hostKey } = this.#parts;
    const { ciphers, kex, macs, user } = point;
    client.connect({
      sock: tunnel.stream,
      username: user,
      authHandler: this.#nextOffer,
      hostVerifier: (key: Buffer) => hostKey.accepts(key),
      // An absent list means ssh2's default; unknown names were refused before.
      algorithms: { cipher: ciphers, kex, hmac: macs, serverHostKey: hostKey.algorithms } as Algorithms,
      // The link keeps the clock; keepAlive says why ssh2's own is off.
      readyTimeout: 0,
      debug: words.note,
      keepaliveInterval: 0,
    });
  }

  /** The server has proved its key by now. A new one is recorded before anything secret is sent. */
  readonly #nextOffer: AuthHandlerMiddleware = (takes, isPartial, next) => {
    // The promise is not returned: ssh2 would take it for an offer.
    this.#parts.hostKey.record(this.#parts.settings.signal).then(
      () => {
        if (this.#state === 'auth') this.#parts.authentication.handler(takes, isPartial, next);
      },
      (error: unknown) => this.#fail(error as TransportError),
    );
  };

  #onHandshake(): void {
    if (this.#state !== 'handshake') return; // again at each change of session keys
    this.#words?.stop();
    this.#moveTo('auth');
    this.#parts.settings.phase('auth');
  }

  #onReady(): void {
    if (this.#state === 'handshake') this.#fail(this.#unreachable('took a login before the handshake'));
    if (this.#isOver) return;
    this.#moveTo('open');
    this.#onOpen();
  }

  #onError(error: Ssh2Error): void {
    if (this.#isOver) return;
    const isPassing = error.level === 'client-authentication' && !this.#parts.authentication.isExhausted;
    if (isPassing || error.level === 'agent') this.#parts.authentication.noteTrouble(error);
    else if (this.#parts.hostKey.failure) this.#fail(this.#parts.hostKey.failure);
    else if (this.#state === 'auth') this.#fail(this.#authFailure(error));
    else this.#fail(this.#handshakeFailure(error));
  }

  #onClose(): void {
    const { authentication } = this.#parts;
    const { wasRefused, isAsking } = authentication;
    const cause = this.#parts.tunnel.lossCause();
    if (this.#state === 'handshake') this.#fail(this.#dropped(cause));
    else if (wasRefused || isAsking) {
      this.#fail(authentication.failure(new Error('the server closed the connection')));
    } else this.#fail(this.#unreachable(`closed the connection${authentication.said}`, cause));
  }

  #handshakeFailure(error: Ssh2Error): TransportError {
    const { level, code, message } = error;
    const words = this.#words?.about(message) ?? '';
    const isOther = message.includes('no matching host key format') && !words.endsWith(NO_CERTIFICATES);
    if (isOther && this.#parts.hostKey.isTypeRecorded) return this.#parts.hostKey.refuseMissingType();
    const isDrop = level === 'protocol' && message.includes('before handshake');
    if (isDrop || code === 'ECONNRESET' || code === 'EPIPE') return this.#dropped(error);
    return this.#unreachable(`failed at the handshake: ${oneLine(meaningOf(error))}${words}`, error);
  }

  #authFailure(error: Ssh2Error): TransportError {
    if (error.level === 'client-authentication') return this.#parts.authentication.failure(error);
    // A disconnect during the login, such as for too many keys.
    if (typeof error.code === 'number') return this.#parts.authentication.failure(error, oneLine(error.message));
    return this.#unreachable(`failed at the login: ${oneLine(meaningOf(error))}`, error);
  }

  #dropped(cause: Error | undefined): TransportError {
    const what = `${addressOf(this.#parts.point)} closed the connection before the handshake`;
    return new Dropped(what, this.#words?.about('') ?? '', { cause });
  }

  #unreachable(what: string, cause?: Error): TransportError {
    return new TransportError('unreachable', `${addressOf(this.#parts.point)} ${what}`, { cause });
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
    if (!this.#isOver) return;
    this.#stopListening();
    this.#words?.stop();
  }
}
