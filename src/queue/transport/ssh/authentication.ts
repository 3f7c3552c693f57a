/**
 * Offers a server the credentials of a point one by one: key files, the ssh-agent's keys, the password, answers to the
 * server's questions.
 *
 * The first offer is blind. After the first refusal, the server's list of methods decides which credential is next; one
 * that the server did not look at goes back in line. A server that wants several (partial success) lists after each
 * what is still to come.
 */
import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { AnyAuthMethod, AuthHandlerMiddleware, Client, ParsedKey, Prompt } from 'ssh2';
import { oneLine } from '../../../report/untrusted-text.js';
import { type TransportContext, TransportError } from '../transport.js';
import type { Answer, DownKind, Question } from '../../wire/messages.js';
import { answerOnce, checkAnswers, type KeyboardChallenge, type SshQuestion } from './prompt-answers.js';
import { loginMend } from './first-login.js';
import { addressOf, type SshPoint } from './ssh-endpoint.js';
import { blobOf, type Identity, loadIdentity, publicKeyOf } from './identity.js';
import { hashOf, offeredAs, rsaBitsOf, signatureAlgorithms } from './rsa.js';
import { offerOf, openSshAgent } from './ssh-agent.js';
import { internalsOf } from './ssh2.js';
import { unlock } from './unlock.js';

interface Attempt {
  /** For messages; holds no secret. */
  readonly name: string;
  /** As the server names it. */
  readonly method: 'publickey' | 'password' | 'keyboard-interactive';
  /** Resolves to nothing when other attempts replace it. Rejects when it cannot be made. */
  open(): Promise<AnyAuthMethod | undefined>;
}

/** What connecting waits for besides the drone itself; a timeout meanwhile is a failure of this kind. */
export interface Awaited {
  readonly what: string;
  readonly kind: DownKind;
}

export interface AuthenticationSettings extends Pick<TransportContext, 'signal' | 'ask'> {
  /** Called with what connecting waits for during a question or a look-up, and with undefined afterwards. */
  awaits(awaited: Awaited | undefined): void;
}

export class Authentication {
  readonly #point: SshPoint;
  readonly #settings: AuthenticationSettings;
  #untried: Attempt[];
  readonly #agentSockets = new Set<Socket>();
  /** Wire forms of keys offered from files. */
  readonly #offeredKeys = new Set<string>();
  /** Names of attempts, with what prevented them. */
  readonly #tried = new Map<string, string | undefined>();
  #current: Attempt | undefined;
  #serverTakes: readonly string[] | undefined;
  /** Signature algorithms, where the server lists them. */
  #signaturesTaken: readonly string[] | undefined;
  #cause: Error | undefined;
  /** The server's last message other than its answers. */
  #banner: string | undefined;
  readonly #certificates = new Set<string>();
  #fail: (error: TransportError) => void = () => undefined;
  #isAsking = false;
  #isExhausted = false;
  #isClosed = false;

  constructor(point: SshPoint, settings: AuthenticationSettings) {
    this.#point = point;
    this.#settings = settings;
    const { identity, agentSocket, password, asks } = point;
    this.#untried = identity.map(path => this.#keyFile(path));
    if (agentSocket !== undefined) this.#untried.push(this.#sshAgent(agentSocket));
    if (password !== undefined) this.#untried.push(this.#password(password));
    if (asks?.keyboardInteractive === true) {
      this.#untried.push(this.#keyboard('keyboard-interactive', prompts => this.#askCaller(prompts)));
    } else if (password !== undefined) {
      this.#untried.push(this.#keyboard(PASSWORD_AS_ANSWER, answerOnce(password)));
    }
  }

  /** Called by ssh2 for the first attempt and after each refusal. No `none` first, which would cost a round trip. */
  readonly handler: AuthHandlerMiddleware = (_takes, _isPartial, next) => {
    void this.#nextOffer().then(offer => {
      if (this.#isClosed) return;
      // Documented by ssh2 as the way to give up, but missing in its types.
      (next as (offer: AnyAuthMethod | false) => void)(offer ?? false);
    });
  };

  /**
   * Listens to the server's refusals, because for a refused key of an ssh-agent ssh2 reports neither what the server
   * accepts nor a partial success; and to its signature algorithms, of which ssh2 would choose only one. `fail` ends the
   * login before everything was tried.
   */
  watch(client: Client, fail: (error: TransportError) => void): void {
    this.#fail = fail;
    client.on('banner', text => {
      this.#banner = text;
    });
    const { _handlers: handlers } = internalsOf(client)._protocol;
    handlers.EXT_INFO = (_protocol, extensions) => {
      const listed = extensions.find(({ name }) => name === 'server-sig-algs')?.algs ?? this.#signaturesTaken;
      // It takes what it does not list.
      const isSilent = internalsOf(client)._remoteVer?.startsWith('OpenSSH_7.4') === true;
      this.#signaturesTaken = isSilent ? [...(listed ?? []), 'rsa-sha2-512', 'rsa-sha2-256'] : listed;
    };
    const passOn = handlers.USERAUTH_FAILURE;
    handlers.USERAUTH_FAILURE = (protocol, takes, isPartial) => {
      this.#noteRefusal(takes, isPartial);
      passOn(protocol, takes, isPartial);
    };
  }

  get isExhausted(): boolean {
    return this.#isExhausted;
  }

  get wasRefused(): boolean {
    return this.#serverTakes !== undefined;
  }

  get isAsking(): boolean {
    return this.#isAsking;
  }

  /** An attempt could not be made, such as with an ssh-agent that is gone; the next one follows. */
  noteTrouble(error: Error): void {
    if (this.#current) this.#tried.set(this.#current.name, error.message);
  }

  failure(cause: Error, serverText?: string): TransportError {
    const names = [...this.#tried].map(([name, trouble]) => (trouble === undefined ? name : `${name} (${trouble})`));
    const tried = names.length > 0 ? `tried: ${names.join(', ')}` : 'there was no credential to try';
    const takes = this.#serverTakes ? `; the server accepts: ${this.#serverTakes.filter(isMethodName).join(', ')}` : '';
    const said = this.#saidWith(serverText);
    const unused = [...this.#certificates].join(', ');
    const certificates = unused === '' ? '' : `; not offered because certificates are not supported: ${unused}`;
    const mend = this.#isExhausted || serverText !== undefined ? `; ${loginMend(this.#point, serverText)}` : '';
    return new TransportError(
      'auth',
      `${addressOf(this.#point)} refused the login; ${tried}${certificates}${takes}${said}${mend}`,
      {
        cause: this.#cause ?? cause,
      },
    );
  }

  /** The server's words, as a part of a message. */
  get said(): string {
    return this.#saidWith(undefined);
  }

  #saidWith(further: string | undefined): string {
    const words = [this.#banner, further].filter(text => text !== undefined).join(' ');
    return words.trim() === '' ? '' : `; it said: ${oneLine(words)}`;
  }

  close(): void {
    this.#isClosed = true;
    for (const socket of this.#agentSockets) socket.destroy();
  }

  async #nextOffer(): Promise<AnyAuthMethod | undefined> {
    for (;;) {
      if (this.#isClosed) return undefined;
      const takes = this.#serverTakes;
      const at = this.#untried.findIndex(({ method }) => takes?.includes(method) ?? true);
      const [attempt] = at < 0 ? [] : this.#untried.splice(at, 1);
      this.#current = attempt;
      if (!attempt) {
        this.#isExhausted = true;
        return undefined;
      }
      if (!this.#tried.has(attempt.name)) this.#tried.set(attempt.name, undefined);
      try {
        const offer = await attempt.open();
        if (offer) return offer;
      } catch (error) {
        this.noteTrouble(error as Error);
      }
    }
  }

  #noteRefusal(takes: readonly string[], isPartial: boolean): void {
    const attempt = this.#current;
    const wasBlind = this.#serverTakes === undefined;
    this.#serverTakes = takes;
    if (!attempt) return;
    if (wasBlind && !isPartial && !takes.includes(attempt.method)) this.#untried.unshift(attempt);
    // A password that the server knows already does not answer its further questions.
    else if (attempt.method === 'password') {
      this.#untried = this.#untried.filter(({ name }) => name !== PASSWORD_AS_ANSWER);
    }
  }

  #keyFile(path: string): Attempt {
    return {
      name: `key ${path}`,
      method: 'publickey',
      open: async () => {
        const { user: username, passphrase, asks } = this.#point;
        if (existsSync(`${path}-cert.pub`)) this.#certificates.add(`${path}-cert.pub`);
        const identity = await loadIdentity(path);
        const { publicKey } = identity;
        if (!identity.key && passphrase === undefined && asks?.passphrase !== true) {
          throw new Error('has a passphrase, but none was given');
        }
        const key = identity.key ?? (publicKey ? undefined : await this.#unlock(path, identity));
        if (key) {
          this.#offeredKeys.add(blobOf(key));
          return this.#inTurn(`key ${path}`, key, algorithm =>
            Promise.resolve({ type: 'publickey', username, key: offeredAs(key, algorithm) }),
          );
        }
        // The caller is not asked for the passphrase of a key that the server does not want.
        return this.#inTurn(`key ${path}`, publicKey as ParsedKey, algorithm =>
          offerOf(username, offeredAs(publicKey as ParsedKey, algorithm), async data => {
            const opened = await this.#unlock(path, identity);
            this.#offeredKeys.add(blobOf(opened));
            return opened.sign(data, hashOf(algorithm));
          }),
        );
      },
    };
  }

  /**
   * Offers a key with the best signature algorithm that the server takes. Other algorithms that it claims to accept come
   * after all other attempts: servers count attempts, and some list what they refuse.
   */
  async #inTurn(
    name: string,
    key: ParsedKey,
    offer: (algorithm: string) => Promise<AnyAuthMethod>,
  ): Promise<AnyAuthMethod | undefined> {
    const { publicKeyAlgorithms, minRsaBits = 0 } = this.#point;
    const bits = rsaBitsOf(key.getPublicSSH()) ?? Infinity;
    if (bits < minRsaBits) throw new Error(`has ${String(bits)} bits, and minRsaBits is ${String(minRsaBits)}`);
    const algorithms = signatureAlgorithms(key.type, this.#signaturesTaken, publicKeyAlgorithms);
    const attempts = algorithms.map((algorithm): Attempt => ({
      name,
      method: 'publickey',
      open: () => offer(algorithm),
    }));
    const [best, ...others] = attempts;
    if (!best) throw new Error(`no signature algorithm is left for a key of type ${key.type}`);
    if (others.length === 0) return best.open();
    this.#untried.unshift(best);
    this.#untried.push(...others);
    return undefined;
  }

  #unlock(path: string, identity: Identity): Promise<ParsedKey> {
    const ask = (question: Question): Promise<Answer> => this.#ask(question, `the passphrase of ${path}`);
    return unlock(path, identity, this.#point, ask).catch((error: unknown) => {
      if (this.#point.passphrase !== undefined) throw error;
      this.#cause ??= error as Error;
      throw new Error(`not opened: ${(error as Error).message}`, { cause: error });
    });
  }

  /** Turns into one attempt for each of its keys. */
  #sshAgent(path: string): Attempt {
    const name = `ssh-agent ${path}`;
    return {
      name,
      method: 'publickey',
      open: async () => {
        const { user, identity, identitiesOnly } = this.#point;
        const agent = await openSshAgent(path, this.#agentSockets);
        if (this.#isClosed) this.close();
        const held = await this.#waitFor(`the ssh-agent ${path} to list its keys`, agent.keys());
        if (agent.hasCertificates) this.#certificates.add(`those of ${name}`);
        const named = identitiesOnly ? await Promise.all(identity.map(publicKeyOf)) : held;
        const wanted = new Set(named.map(key => key && blobOf(key)));
        const keys = held.filter(key => wanted.has(blobOf(key)) && !this.#offeredKeys.has(blobOf(key)));
        if (keys.length === 0) throw new Error(`none of its ${String(held.length)} keys is left to try`);
        const attempts = keys.map((key): Attempt => ({
          name,
          method: 'publickey',
          open: () =>
            this.#inTurn(name, key, algorithm =>
              offerOf(user, offeredAs(key, algorithm), data =>
                this.#waitFor(`the ssh-agent ${path} to sign`, agent.sign(key)(data, hashOf(algorithm))),
              ),
            ),
        }));
        this.#untried.unshift(...attempts);
        return undefined;
      },
    };
  }

  #password(password: string): Attempt {
    const offer: AnyAuthMethod = { type: 'password', username: this.#point.user, password };
    return { name: 'password', method: 'password', open: () => Promise.resolve(offer) };
  }

  #keyboard(name: string, answer: (challenge: KeyboardChallenge) => Promise<string[]>): Attempt {
    const prompt = (
      title: string,
      instructions: string,
      _language: string,
      prompts: readonly Prompt[],
      finish: (answers: string[]) => void,
    ): void => {
      const questions = prompts.map(({ prompt: text, echo }) => ({ text, echo: echo === true }));
      answer({ name: title, instructions, prompts: questions }).then(finish, (error: unknown) => {
        // ssh2 cannot take the method back, and nothing comes after it.
        this.#cause ??= error as Error;
        this.noteTrouble(error as Error);
        if (!this.#isClosed) this.#fail(this.failure(error as Error));
      });
    };
    const offer: AnyAuthMethod = { type: 'keyboard-interactive', username: this.#point.user, prompt };
    return { name, method: 'keyboard-interactive', open: () => Promise.resolve(offer) };
  }

  async #askCaller(challenge: KeyboardChallenge): Promise<string[]> {
    const about: SshQuestion = { kind: 'keyboard-interactive', challenge };
    const question = { key: this.#point.asks?.key ?? '', about };
    const { value } = await this.#ask(question, 'an answer from keyboardInteractive');
    return checkAnswers(value, challenge.prompts.length);
  }

  async #ask(question: Question, what: string): Promise<Answer> {
    this.#isAsking = true;
    const answer = this.#settings.ask(question, this.#settings.signal);
    return this.#waitFor(what, answer).finally(() => (this.#isAsking = false));
  }

  async #waitFor<T>(what: string, answer: Promise<T>): Promise<T> {
    const { signal, awaits } = this.#settings;
    awaits({ what: `${addressOf(this.#point)} waits for ${what}`, kind: 'auth' });
    try {
      return await answer;
    } finally {
      // Kept at an abort: it is the reason for it.
      if (!signal.aborted) awaits(undefined);
    }
  }
}

const PASSWORD_AS_ANSWER = 'keyboard-interactive by password';

/** A server's list goes into messages, so only plausible names are kept. */
function isMethodName(name: string): boolean {
  return /^[\w@.-]{1,64}$/.test(name);
}
