/**
 * Offers a server the credentials of a point, one after another: key files, the ssh-agent's keys, the password, answers
 * to the server's questions.
 *
 * The first offer is made blindly. From the first refusal on the server's own list of methods decides which credential is
 * the next; one that the server did not even look at goes back in line. A server that wants several (partial success)
 * names after each what is still to come.
 */
import type { Socket } from 'node:net';
import type { AnyAuthMethod, AuthHandlerMiddleware, Client, ParsedKey, Prompt } from 'ssh2';
import { type TransportContext, TransportError } from '../transport.js';
import type { Answer, Question } from '../../wire/messages.js';
import type { KeyboardChallenge, SshQuestion } from './prompt-answers.js';
import { addressOf, type SshPoint } from './ssh-endpoint.js';
import { type Identity, loadIdentity, publicKeyOf } from './identity.js';
import { offerOf, SshAgent } from './ssh-agent.js';

interface Attempt {
  /** For messages; holds no secret. */
  readonly name: string;
  /** As the server lists what it takes. */
  readonly method: 'publickey' | 'password' | 'keyboard-interactive';
  /** Gives nothing when other attempts have come in its place. Rejects when it cannot be made. */
  open(): Promise<AnyAuthMethod | undefined>;
}

/** What ssh2 keeps to itself. Of a refused ssh-agent's key it tells neither what the server takes nor a partial success. */
interface Ssh2Internals {
  readonly _protocol: {
    readonly _handlers: { USERAUTH_FAILURE(protocol: unknown, takes: string[], isPartial: boolean): void };
  };
}

/** What the offers need of their surroundings. */
export interface AuthenticationSettings extends Pick<TransportContext, 'signal' | 'ask'> {
  /** Gets what the login waits for while it waits for an answer, and undefined when it no longer does. */
  awaits(what: string | undefined): void;
}

export class Authentication {
  readonly #point: SshPoint;
  readonly #settings: AuthenticationSettings;
  #untried: Attempt[];
  readonly #agentSockets = new Set<Socket>();
  /** Wire forms of the keys that were offered from files. */
  readonly #offeredKeys = new Set<string>();
  /** Names of attempts, with what was in their way. */
  readonly #tried = new Map<string, string | undefined>();
  #current: Attempt | undefined;
  #serverTakes: readonly string[] | undefined;
  #cause: Error | undefined;
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

  /** Called by ssh2 for the first attempt and after each that was refused. No `none` first: it would cost a round trip. */
  readonly handler: AuthHandlerMiddleware = (_takes, _isPartial, next) => {
    void this.#nextOffer().then(offer => {
      if (this.#isClosed) return;
      // Documented by ssh2 as the way to give up, but missing in its types.
      (next as (offer: AnyAuthMethod | false) => void)(offer ?? false);
    });
  };

  /** Listens to the server's refusals. `fail` ends the login before everything was tried. */
  watch(client: Client, fail: (error: TransportError) => void): void {
    this.#fail = fail;
    const { _handlers: handlers } = (client as unknown as Ssh2Internals)._protocol;
    const passOn = handlers.USERAUTH_FAILURE;
    handlers.USERAUTH_FAILURE = (protocol, takes, isPartial) => {
      this.#noteRefusal(takes, isPartial);
      passOn(protocol, takes, isPartial);
    };
  }

  /** Nothing is left to offer. */
  get isExhausted(): boolean {
    return this.#isExhausted;
  }

  /** Whether the server has said no at least once. */
  get wasRefused(): boolean {
    return this.#serverTakes !== undefined;
  }

  /** Whether an answer is awaited. */
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
    const takes = this.#serverTakes ? `; the server takes: ${this.#serverTakes.filter(isMethodName).join(', ')}` : '';
    const said = serverText === undefined ? '' : `; it said: ${serverText}`;
    return new TransportError('auth', `${addressOf(this.#point)} refused the login; ${tried}${takes}${said}`, {
      cause: this.#cause ?? cause,
    });
  }

  /** Ends what is still being asked of the ssh-agent. */
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
    // A password that the server knows already is no answer to what it asks besides.
    else if (attempt.method === 'password') {
      this.#untried = this.#untried.filter(({ name }) => name !== PASSWORD_AS_ANSWER);
    }
  }

  #keyFile(path: string): Attempt {
    return {
      name: `key ${path}`,
      method: 'publickey',
      open: async () => {
        const { user, passphrase, asks } = this.#point;
        const identity = await loadIdentity(path);
        if (identity.key) {
          this.#offeredKeys.add(blobOf(identity.key));
          return { type: 'publickey', username: user, key: identity.key };
        }
        if (passphrase === undefined && asks?.passphrase !== true) throw new Error('has a passphrase, none was given');
        const { publicKey } = identity;
        if (!publicKey) return { type: 'publickey', username: user, key: await this.#unlock(path, identity) };
        // Nobody is asked for the passphrase of a key that the server does not want.
        return offerOf(user, publicKey, async (data, hash) => {
          const key = await this.#unlock(path, identity);
          this.#offeredKeys.add(blobOf(key));
          return key.sign(data, hash);
        });
      },
    };
  }

  async #unlock(path: string, identity: Identity): Promise<ParsedKey> {
    const { passphrase, asks } = this.#point;
    if (passphrase !== undefined) return identity.open(passphrase);
    try {
      return await this.#openByAsking(path, identity, asks?.key ?? '');
    } catch (error) {
      this.#cause ??= error as Error;
      throw new Error(`not opened: ${(error as Error).message}`, { cause: error });
    }
  }

  /** The main thread keeps the answer for all who ask; only it knows whether there is another one to be had. */
  async #openByAsking(path: string, identity: Identity, key: string): Promise<ParsedKey> {
    const about: SshQuestion = { kind: 'passphrase', path };
    for (let wrong: number | undefined, trouble: unknown; ;) {
      const question: Question = { key, about, sharedAs: `passphrase ${path}`, wrong };
      const { number, value } = await this.#ask(question, `the passphrase of ${path}`);
      if (number === wrong) throw trouble;
      try {
        if (typeof value !== 'string' || value === '') throw new TypeError('the passphrase that was given is no text');
        return identity.open(value);
      } catch (error) {
        wrong = number;
        trouble = error;
      }
    }
  }

  /** Becomes one attempt for each of its keys. */
  #sshAgent(path: string): Attempt {
    const name = `ssh-agent ${path}`;
    return {
      name,
      method: 'publickey',
      open: async () => {
        const { user, identity, identitiesOnly } = this.#point;
        const agent = await SshAgent.open(path, this.#agentSockets);
        if (this.#isClosed) this.close();
        const held = await agent.keys();
        const named = identitiesOnly ? await Promise.all(identity.map(publicKeyOf)) : held;
        const wanted = new Set(named.map(key => key && blobOf(key)));
        const keys = held.filter(key => wanted.has(blobOf(key)) && !this.#offeredKeys.has(blobOf(key)));
        if (keys.length === 0) throw new Error(`none of its ${String(held.length)} keys is left to try`);
        const attempts = keys.map((key): Attempt => ({
          name,
          method: 'publickey',
          open: () => offerOf(user, key, agent.sign(key)),
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
        // There is no way to take the method back, and nothing comes after it.
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
    const { signal, ask, awaits } = this.#settings;
    this.#isAsking = true;
    awaits(`${addressOf(this.#point)} waits for ${what}`);
    try {
      return await ask(question, signal);
    } finally {
      this.#isAsking = false;
      // What was still awaited at the end is the reason for it.
      if (!signal.aborted) awaits(undefined);
    }
  }
}

const PASSWORD_AS_ANSWER = 'keyboard-interactive by password';

/** Answers the one question that can only be for the password. Asked again, it was the wrong one. */
function answerOnce(password: string): (challenge: KeyboardChallenge) => Promise<string[]> {
  let isUsed = false;
  return ({ prompts }) => {
    const [only, ...others] = prompts;
    if (only?.echo !== false || others.length > 0) {
      return Promise.reject(
        new Error('the server asks for more than a password, and keyboardInteractive is not given'),
      );
    }
    if (isUsed) return Promise.reject(new Error('the password was not taken'));
    isUsed = true;
    return Promise.resolve([password]);
  };
}

/** Throws for what are no answers, without showing them. */
function checkAnswers(value: unknown, prompts: number): string[] {
  const isList = Array.isArray(value) && value.every(item => typeof item === 'string');
  if (isList && value.length === prompts) return value;
  const given = isList ? `${String(value.length)} answers` : 'no list of strings';
  throw new TypeError(`keyboardInteractive gave ${given} to ${String(prompts)} prompts`);
}

function blobOf(key: ParsedKey): string {
  return key.getPublicSSH().toString('base64');
}

/** What a server lists goes into messages: only what could be a name. */
function isMethodName(name: string): boolean {
  return /^[\w@.-]{1,64}$/.test(name);
}
