/** Opens a private key with the passphrase that was given, or that is asked for. */
import type { ParsedKey } from 'ssh2';
import type { Answer, Question } from '../../wire/messages.js';
import type { Identity } from './identity.js';
import type { SshQuestion } from './prompt-answers.js';
import type { SshPoint } from './ssh-endpoint.js';

/** The main thread keeps the answer for all askers; only it knows whether there is another one. */
export async function unlock(
  path: string,
  identity: Identity,
  { passphrase, asks }: SshPoint,
  ask: (question: Question) => Promise<Answer>,
): Promise<ParsedKey> {
  if (passphrase !== undefined) return identity.open(passphrase);
  const about: SshQuestion = { kind: 'passphrase', path };
  for (let wrong: number | undefined, trouble: unknown; ;) {
    const question: Question = { key: asks?.key ?? '', about, sharedAs: `passphrase ${path}`, wrong };
    const { number, value } = await ask(question);
    if (number === wrong) throw trouble;
    try {
      if (typeof value !== 'string' || value === '') throw new TypeError('the passphrase that was given is not text');
      return identity.open(value);
    } catch (error) {
      wrong = number;
      trouble = error;
    }
  }
}
