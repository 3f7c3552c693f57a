/** What BullMQ tells of a lane, from the moment on that `listening` has resolved. */
import type { QueueEvents } from 'bullmq';
import type { RedisLink } from './redis-link.js';

/** It asks again after so long. A connection that breaks keeps the process alive for a second more. */
const QUESTION_MS = 1000;

export class LaneEvents {
  readonly #link: RedisLink;
  /** Rejects when the source is closed before. */
  readonly listening: Promise<void>;
  #events: QueueEvents | undefined;
  #isClosed = false;

  constructor(link: RedisLink, queue: string, listen: (events: QueueEvents) => void) {
    this.#link = link;
    this.listening = this.#open(queue, listen);
    this.listening.catch(link.onProblem);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#events?.close();
  }

  /** Left to itself, it would begin with what is told after its first question has reached Redis, whenever that is. */
  async #open(queue: string, listen: (events: QueueEvents) => void): Promise<void> {
    const { bullmq, client: connection, settings, onProblem } = this.#link;
    const { prefix } = settings;
    const [last] = await connection.xrevrange(`${prefix}:${queue}:events`, '+', '-', 'COUNT', 1);
    if (this.#isClosed) return;
    const lastEventId = last?.[0] ?? '0-0';
    const events = new bullmq.QueueEvents(queue, { connection, prefix, lastEventId, blockingTimeout: QUESTION_MS });
    events.on('error', onProblem);
    listen(events);
    this.#events = events;
  }
}
