/**
 * Keeps answers apart from BullMQ. BullMQ's event stream would hold each whole answer for thousands of events and send it
 * to every executor; its jobs would hold it once more, until another job ends.
 */
import type { JobAnswer } from '../job-answer.js';
import { isAnswer } from './job-data.js';
import { KEEP_S } from './kept.js';
import type { RedisLink } from './redis-link.js';
import type { SharedStates } from './shared-states.js';

export class AnswerStore {
  readonly #link: RedisLink;
  readonly #states: SharedStates;
  readonly #queue: string;

  constructor(link: RedisLink, states: SharedStates, queue: string) {
    this.#link = link;
    this.#states = states;
    this.#queue = queue;
  }

  /** Keeps an answer for an hour. Rejects with an error of Redis. */
  async put(jobId: string, answer: JobAnswer, host: string): Promise<void> {
    const value = answer.ok ? { ...answer, value: (await this.#states.pack(answer.value)).packed } : answer;
    await this.#link.client.set(this.#keyOf(jobId), JSON.stringify({ host, answer: value }), 'EX', KEEP_S);
  }

  /** The answer, and the host of the executor that has given it. Undefined when there is none. */
  async get(jobId: string): Promise<{ readonly host: string; readonly answer: JobAnswer } | undefined> {
    const text = await this.#link.client.get(this.#keyOf(jobId));
    if (text === null) return undefined;
    const { host, answer } = JSON.parse(text) as { host: string; answer: unknown };
    if (!isAnswer(answer)) return undefined;
    if (!answer.ok) return { host, answer };
    return { host, answer: { ...answer, value: await this.#states.unpack(answer.value) } };
  }

  async remove(jobId: string): Promise<void> {
    await this.#link.client.unlink(this.#keyOf(jobId));
  }

  #keyOf(jobId: string): string {
    return `${this.#link.settings.prefix}:${this.#queue}:${jobId}:answer`;
  }
}
