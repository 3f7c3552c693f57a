/** Questions of a login to the caller's functions. */
import { invalidArgument } from '../../../option/invalid-argument.js';
import { secret } from '../../../option/option-kinds.js';
import { Option, type Table } from '../../../option/option-table.js';

/** A server's questions in a keyboard-interactive login. */
export interface KeyboardChallenge {
  /** Both texts come from the server, and are often empty. */
  readonly name: string;
  readonly instructions: string;
  /** Each prompt needs one answer. `echo` is false if the answer should not be visible while it is typed. */
  readonly prompts: readonly { readonly text: string; readonly echo: boolean }[];
}

/** Secrets that are given as text, or requested when they are needed. */
export interface AnswerOptions {
  /**
   * Decrypts the `identity` files that have a passphrase; without it they are skipped. A function is called with the
   * path when a server wants that key, once per file in a queue; after a wrong passphrase it is called again, but not
   * for batches that have already started. Default: none.
   */
  passphrase?: string | ((path: string) => string | Promise<string>) | undefined;
  /**
   * Answers a server's questions, one string for each prompt. Called for every login, and again if the server asks
   * again. Tried last. If it throws, the login fails (kind `auth`). Default: none, but see `password`.
   */
  keyboardInteractive?: ((challenge: KeyboardChallenge) => readonly string[] | Promise<readonly string[]>) | undefined;
}

type Passphrase = NonNullable<AnswerOptions['passphrase']>;

export const ANSWERS = {
  passphrase: new Option<Passphrase>('a non-empty string, or a function (path)', (value, field) =>
    typeof value === 'function' ? (value as Passphrase) : secret().read(value, field),
  ),
  // The value is not shown: it may be the answer.
  keyboardInteractive: new Option<NonNullable<AnswerOptions['keyboardInteractive']>>(
    'a function (challenge)',
    value => {
      if (value === undefined || typeof value === 'function') return value as AnswerOptions['keyboardInteractive'];
      throw invalidArgument('typeof keyboardInteractive', typeof value, "'function'");
    },
  ),
} satisfies Table<AnswerOptions>;

/** Which functions exist. They stay on the main thread; questions reach them by the key. */
export interface Asks {
  readonly key: string;
  readonly passphrase: boolean;
  readonly keyboardInteractive: boolean;
}

export type SshQuestion =
  | { readonly kind: 'passphrase'; readonly path: string }
  | { readonly kind: 'keyboard-interactive'; readonly challenge: KeyboardChallenge };

export function asksOf(options: AnswerOptions, key: string): Asks | undefined {
  const passphrase = typeof options.passphrase === 'function';
  const keyboardInteractive = options.keyboardInteractive !== undefined;
  return passphrase || keyboardInteractive ? { key, passphrase, keyboardInteractive } : undefined;
}

export function answererOf({ passphrase, keyboardInteractive }: AnswerOptions): (about: unknown) => unknown {
  return about => {
    const question = about as SshQuestion;
    if (question.kind === 'keyboard-interactive') return keyboardInteractive?.(question.challenge);
    return typeof passphrase === 'function' ? passphrase(question.path) : undefined;
  };
}

/** Answers a single prompt without echo, which can only ask for the password. A second time the password was wrong. */
export function answerOnce(password: string): (challenge: KeyboardChallenge) => Promise<string[]> {
  let isUsed = false;
  return ({ prompts }) => {
    const [only, ...others] = prompts;
    if (only?.echo !== false || others.length > 0) {
      return Promise.reject(new Error('the server asks for more than a password, and keyboardInteractive is not set'));
    }
    if (isUsed) return Promise.reject(new Error('the password was not accepted'));
    isUsed = true;
    return Promise.resolve([password]);
  };
}

/** Throws for invalid answers, without showing them. */
export function checkAnswers(value: unknown, prompts: number): string[] {
  const isList = Array.isArray(value) && value.every(item => typeof item === 'string');
  if (isList && value.length === prompts) return value;
  const given = isList ? `${String(value.length)} answers` : 'something other than a list of strings';
  throw new TypeError(`keyboardInteractive returned ${given} for ${String(prompts)} prompts`);
}
