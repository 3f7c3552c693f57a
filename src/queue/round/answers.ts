/**
 * Answers questions of worker threads with the caller's own functions.
 *
 * Answers to shared questions are kept, so that each function is asked once for all drones and threads. A bad answer is asked
 * for again once another batch has started: a mistyped passphrase must not cause one prompt per drone of a round.
 */
import { decode, encode } from '../wire/codec/codec.js';
import type { AnswerQuestion, Endpoint } from '../drone/endpoint.js';
import type { Place } from '../thread/runner.js';
import { type Answer, FrameType, type Question } from '../wire/messages.js';

interface SharedAnswer {
  readonly number: number;
  /** Number of batches started by then. */
  readonly askedAt: number;
  readonly answer: Promise<Answer>;
  isBad: boolean;
}

export class Answers {
  readonly #functions = new Map<string, AnswerQuestion>();
  readonly #shared = new Map<string, SharedAnswer>();
  #batches = 0;
  #lastNumber = 0;

  /** A batch to this endpoint starts and may cause questions. */
  know(endpoint: Endpoint): void {
    this.#batches++;
    for (const [key, answer] of endpoint.answers) this.#functions.set(key, answer);
  }

  /** Takes a question from a thread. Never rejects. */
  async take(place: Place, id: number, payload: Uint8Array): Promise<void> {
    const question = decode(payload) as Question;
    const answer = question.sharedAs === undefined ? this.#ask(question) : this.#share(question, question.sharedAs);
    place.send(FrameType.Answer, id, 0, encodeAnswer(await answer));
  }

  #share(question: Question, name: string): Promise<Answer> {
    const known = this.#shared.get(name);
    if (known && known.number === question.wrong) known.isBad = true;
    if (known && !(known.isBad && known.askedAt < this.#batches)) return known.answer;
    const number = ++this.#lastNumber;
    const shared: SharedAnswer = { number, askedAt: this.#batches, answer: this.#ask(question, number), isBad: false };
    this.#shared.set(name, shared);
    void shared.answer.then(({ thrown }) => {
      if (thrown) shared.isBad = true;
    });
    return shared.answer;
  }

  async #ask({ key, about }: Question, number = ++this.#lastNumber): Promise<Answer> {
    try {
      const answer = this.#functions.get(key);
      if (!answer) throw new Error(`no function is known that could answer for ${key}`);
      return { number, value: await answer(about) };
    } catch (error) {
      return { number, thrown: { error } };
    }
  }
}

function encodeAnswer(answer: Answer): Uint8Array {
  try {
    return encode(answer);
  } catch {
    // Without the value, which may be a secret.
    const error = new TypeError('the value that the function returned or threw cannot be copied');
    return encode({ number: answer.number, thrown: { error } } satisfies Answer);
  }
}
